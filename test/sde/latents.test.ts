import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { meanNorm } from "../../src/sde/batch.ts"
import { interpolateLatents, lerp, slerp } from "../../src/sde/latents.ts"
import { formula } from "./mixture.ts"

const generator = new TorchGenerator(0)
const [a, b] = [generator.randn([1, 3, 16, 16]), generator.randn([1, 3, 16, 16])]

test("slerp goes from end to end at constant speed on a sphere", () => {
  const [x, y] = [formula(j => (j === 0 ? 2 : 0), [1, 3]), formula(j => (j === 1 ? 2 : 0), [1, 3])]
  for (const w of [0, 0.25, 0.5, 1]) {
    const { data } = slerp(x, y, w)
    expect([...data]).toEqual([
      expect.closeTo(2 * Math.cos((w * Math.PI) / 2), 6),
      expect.closeTo(2 * Math.sin((w * Math.PI) / 2), 6),
      0,
    ])
  }
})

test("latents on the way have the norm of latents with slerp, and are shorter with lerp", () => {
  expect(meanNorm(slerp(a, b, 0.5)) / meanNorm(a)).toBeCloseTo(1, 1)
  expect(meanNorm(lerp(a, b, 0.5)) / meanNorm(a)).toBeCloseTo(Math.SQRT1_2, 1)
})

test("each sample has its weight", () => {
  const x = formula(j => j, [2, 2])
  const y = formula(j => 10 * j, [2, 2])
  expect([...lerp(x, y, [0, 0.5]).data]).toEqual([0, 1, 11, 16.5])
  // Parallel samples have no great circle between them.
  expect([...slerp(x, y, [0, 0.5]).data]).toEqual([0, 1, 11, 16.5])
  expect([
    ...slerp(
      x,
      formula(() => 0, [2, 2]),
      0.5,
    ).data,
  ]).toEqual([0, 0.5, 1, 1.5])
})

describe("interpolateLatents", () => {
  test("makes a batch with both ends", () => {
    const path = interpolateLatents(a, b, 5)
    expect(path.shape).toEqual([5, 3, 16, 16])
    expect([...path.data.subarray(0, 768)]).toEqual([...a.data])
    expect([...path.data.subarray(4 * 768)]).toEqual([...b.data])
    expect([...path.data.subarray(2 * 768, 3 * 768)]).toEqual([...slerp(a, b, 0.5).data])
    const straight = interpolateLatents(a, b, 3, lerp)
    expect([...straight.data.subarray(768, 2 * 768)]).toEqual([...lerp(a, b, 0.5).data])
  })

  test("refuses other shapes and counts", () => {
    expect(() => interpolateLatents(a, b, 1)).toThrow("count is 1, but must be a whole number from 2 up.")
    const pair = formula(() => 1, [2, 3])
    expect(() => interpolateLatents(pair, pair, 2)).toThrow(
      "A latent has the shape [2, 3], but one sample, [1, …], is needed.",
    )
    for (const interpolate of [lerp, slerp]) {
      expect(() => interpolate(a, pair, 0.5)).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }))
      expect(() => interpolate(pair, pair, [1, 2, 3])).toThrow(
        expect.objectContaining({ code: "SHAPE_MISMATCH" }),
      )
    }
  })
})
