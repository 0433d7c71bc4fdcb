import { describe, expect, test } from "vitest"
import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import {
  averageDownsampling,
  firDownsampling,
  firUpsampling,
  mirroredDownsample,
  mirroredUpsample,
  nearestUpsampling,
  type Resampling,
} from "../../src/models/resampling.ts"
import type { Tensor } from "../../src/tensor.ts"
import { irregular, maxDifference, runGraph, weightsFrom } from "../graph/run-graph.ts"

type Image = readonly (readonly number[])[]

/** Resizes a one-channel image. */
async function resize(image: Image, define: (x: Value) => Value): Promise<Image> {
  const [height, width] = [image.length, image[0]!.length]
  const g = new GraphBuilder("test")
  const graph = g.build({ y: define(g.input("x", "float32", ["batch", 1, height, width])) })
  const x: Tensor = { dtype: "float32", shape: [1, 1, height, width], data: Float32Array.from(image.flat()) }
  const { shape, data } = (await runGraph(graph, { x })).y!
  return Array.from({ length: shape[2]! }, (_, row) =>
    Array.from((data as Float32Array).slice(row * shape[3]!, (row + 1) * shape[3]!)),
  )
}

function close(image: Image): unknown {
  return image.map(row => row.map(value => expect.closeTo(value, 4)))
}

const ones: Image = Array.from({ length: 4 }, () => [1, 1, 1, 1])
const impulse: Image = Array.from({ length: 4 }, (_, row) => (row === 1 ? [0, 1, 0, 0] : [0, 0, 0, 0]))
const ramp: Image = Array.from({ length: 4 }, (_, row) => [0, 1, 2, 3].map(column => 4 * row + column))

// Values of Diffusers' upfirdn2d with the filter [1, 3, 3, 1].
describe("FIR resampling", () => {
  test("up: zeros around the image darken its border", async () => {
    const edge = [0.5625, ...Array<number>(6).fill(0.75), 0.5625]
    const inner = [0.75, ...Array<number>(6).fill(1), 0.75]
    expect(await resize(ones, firUpsampling.resize)).toEqual(
      close([edge, ...Array<number[]>(6).fill(inner), edge]),
    )
  })

  test("up: an impulse, a ramp", async () => {
    const outer = [0, 0.0625, 0.1875, 0.1875, 0.0625, 0, 0, 0]
    const inner = [0, 0.1875, 0.5625, 0.5625, 0.1875, 0, 0, 0]
    const nothing = Array<number>(8).fill(0)
    expect(await resize(impulse, firUpsampling.resize)).toEqual(
      close([nothing, outer, inner, inner, outer, nothing, nothing, nothing]),
    )
    const [first] = await resize(ramp, firUpsampling.resize)
    expect([first]).toEqual(close([[0, 0.1875, 0.5625, 0.9375, 1.3125, 1.6875, 2.0625, 1.6875]]))
  })

  test("down: ones, an impulse, a ramp", async () => {
    const down = firDownsampling.resize
    expect(await resize(ones, down)).toEqual(
      close([
        [0.765625, 0.765625],
        [0.765625, 0.765625],
      ]),
    )
    expect(await resize(impulse, down)).toEqual(
      close([
        [0.140625, 0.046875],
        [0.046875, 0.015625],
      ]),
    )
    expect(await resize(ramp, down)).toEqual(
      close([
        [2.734375, 3.9375],
        [7.546875, 8.75],
      ]),
    )
  })

  test("down: odd sizes lose a pixel", async () => {
    const image = Array.from({ length: 5 }, () => Array<number>(7).fill(1))
    const result = await resize(image, firDownsampling.resize)
    expect([result.length, result[0]!.length]).toEqual([2, 3])
  })
})

test("nearest and average", async () => {
  expect(await resize([[1, 2]], nearestUpsampling.resize)).toEqual([
    [1, 1, 2, 2],
    [1, 1, 2, 2],
  ])
  expect(
    await resize(
      [
        [1, 2],
        [3, 6],
      ],
      averageDownsampling.resize,
    ),
  ).toEqual([[3]])
})

test("mirrored borders keep ones as they are, and mirror a ramp at its outermost pixels", async () => {
  expect(await resize(ones, mirroredDownsample)).toEqual(
    close([
      [1, 1],
      [1, 1],
    ]),
  )
  expect(await resize(ones, mirroredUpsample)).toEqual(
    close(Array.from({ length: 8 }, () => Array<number>(8).fill(1))),
  )
  // With weights 1, 3, 3, 1 (÷ 8) on the pixels 1, 0, 1, 2 and 1, 2, 3, 2 of every row and column.
  const [low, high] = [0.75, 2.25]
  expect(await resize(ramp, mirroredDownsample)).toEqual(
    close([
      [4 * low + low, 4 * low + high],
      [4 * high + low, 4 * high + high],
    ]),
  )
})

const all: Readonly<Record<string, Resampling>> = {
  firDownsampling,
  firUpsampling,
  averageDownsampling,
  nearestUpsampling,
}

test.each(Object.entries(all))(
  "%s commutes with a 1×1 convolution, its bias included",
  async (_, resampling) => {
    const g = new GraphBuilder("test")
    const x = g.input("x", "float32", ["batch", 3, 6, 4])
    const [weight, bias] = [g.parameter("w", [2, 3, 1, 1]), g.parameter("b", [2])]
    const graph = g.build({ fused: resampling.pointwise(x, weight, bias), resized: resampling.resize(x) })
    const weights = weightsFrom({ w: irregular([2, 3]).data, b: [5, -7] })
    const { fused, resized } = await runGraph(graph, { x: irregular([2, 3, 6, 4]) }, weights)
    const [, , height, width] = resized!.shape as [number, number, number, number]
    const area = height * width
    const data = Float64Array.from({ length: 2 * 2 * area }, (_, i) => {
      const [picture, row, pixel] = [Math.floor(i / (2 * area)), Math.floor(i / area) % 2, i % area]
      let value = [5, -7][row]!
      for (let c = 0; c < 3; c++) {
        value +=
          irregular([2, 3]).data[3 * row + c]! * Number(resized!.data[(3 * picture + c) * area + pixel])
      }
      return value
    })
    expect(maxDifference(fused, { dtype: "float64", shape: [2, 2, height, width], data })).toBeLessThan(1e-5)
  },
)
