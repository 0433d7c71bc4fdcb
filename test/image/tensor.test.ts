import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { anyImage, gradient, rowsOf } from "./pictures.ts"

const float32 = (shape: number[], values: ArrayLike<number>) =>
  tensor("float32", shape, Float32Array.from(values))

describe("fromTensor", () => {
  it("gives an image for each batch entry, with its channels side by side", () => {
    const images = Image.fromTensor(
      float32(
        [2, 3, 1, 2],
        Float32Array.from({ length: 12 }, (_, i) => i / 255),
      ),
    )
    expect(images.map(rowsOf)).toEqual([
      [
        [
          [0, 2, 4],
          [1, 3, 5],
        ],
      ],
      [
        [
          [6, 8, 10],
          [7, 9, 11],
        ],
      ],
    ])
  })

  it("takes one picture without a batch axis", () => {
    expect(Image.fromTensor(float32([1, 2, 1], [0, 1])).map(rowsOf)).toEqual([[[[0]], [[255]]]])
  })

  it("rounds halves to even, as NumPy does in float32", () => {
    const halves = Float32Array.from({ length: 255 }, (_, k) => (k + 0.5) / 255)
    const [image] = Image.fromTensor(float32([1, 1, 1, 255], halves))
    expect([...image!.data]).toEqual(Array.from({ length: 255 }, (_, k) => (k % 2 === 0 ? k : k + 1)))
  })

  it("rounds as Diffusers does from [-1, 1]: (x / 2 + 0.5).clamp(0, 1)", () => {
    const halves = Float32Array.from({ length: 255 }, (_, k) => ((k + 0.5) / 255) * 2 - 1)
    const [image] = Image.fromTensor(float32([1, 1, 1, 255], halves), { range: [-1, 1] })
    // NumPy 2: whether k + ½ went up, for k from 0.
    const up = `${"0".repeat(65)}${"10".repeat(63)}${"1".repeat(63)}0`
    expect([...image!.data]).toEqual(Array.from({ length: 255 }, (_, k) => k + Number(up[k])))
  })

  it("clamps, also what is infinite", () => {
    const values = [-3, 7, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    expect([...Image.fromTensor(float32([1, 2, 2], values))[0]!.data]).toEqual([0, 255, 0, 255])
  })

  it("stretches each picture to its own range with auto", () => {
    const images = Image.fromTensor(float32([2, 1, 1, 3], [-500, 0, 500, 7, 7, 7]), { range: "auto" })
    expect(images.map(({ data }) => [...data])).toEqual([
      [0, 128, 255],
      [0, 0, 0],
    ])
  })

  it("says where a number is NaN", () => {
    const values = new Float32Array(2 * 3 * 2 * 2)
    values[12 + 4 + 3] = Number.NaN
    expect(() => Image.fromTensor(float32([2, 3, 2, 2], values))).toThrow(
      expect.objectContaining({
        code: "INVALID_TENSOR",
        message: expect.stringContaining("picture 1, channel 1, row 1, column 1"),
      }),
    )
  })

  it.each<[string, Tensor]>([
    ["of two axes", float32([2, 2], [0, 0, 0, 0])],
    ["of five axes", float32([1, 1, 1, 1, 1], [0])],
    ["of 5 channels", float32([1, 5, 1, 1], [0, 0, 0, 0, 0])],
    ["without pixels", float32([1, 3, 0, 4], [])],
    ["of integers", tensor("uint8", [1, 1, 1, 1], Uint8Array.of(1))],
  ])("refuses a tensor %s", (_, tensor) => {
    expect(() => Image.fromTensor(tensor)).toThrow(
      expect.objectContaining({ code: "INVALID_TENSOR", message: expect.stringContaining("[N, C, H, W]") }),
    )
  })

  it.each([[[1, 1]], [[0, Number.NaN]], [[0, Number.POSITIVE_INFINITY]]] as const)(
    "refuses the range %j",
    range => {
      const call = () => Image.fromTensor(float32([1, 1, 1], [0]), { range })
      expect(call).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }))
      expect(() => gradient(1, 1, 1).toTensor({ range })).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      )
    },
  )

  it("gives no image for an empty batch", () => {
    expect(Image.fromTensor(float32([0, 3, 2, 2], []))).toEqual([])
  })
})

describe("toTensor", () => {
  it("gives [1, C, H, W] with bytes divided by 255 in float32", () => {
    const image = gradient(5, 4, 3)
    const { dtype, shape, data } = image.toTensor()
    expect({ dtype, shape }).toEqual({ dtype: "float32", shape: [1, 3, 4, 5] })
    const at = (c: number, y: number, x: number) => image.data[(y * 5 + x) * 3 + c]!
    for (const [c, y, x] of [
      [0, 0, 0],
      [1, 3, 2],
      [2, 1, 4],
    ] as const) {
      expect(data[(c * 4 + y) * 5 + x]).toBe(Math.fround(at(c, y, x) / 255))
    }
  })

  it("is undone by fromTensor, in any range", () => {
    const range = fc.constantFrom([0, 1], [-1, 1], [0, 255], [1, 0], [-0.5, 3]) as fc.Arbitrary<
      [number, number]
    >
    fc.assert(
      fc.property(anyImage, range, (image, range) => {
        expect(Image.fromTensor(image.toTensor({ range }), { range })).toEqual([image])
      }),
    )
  })
})
