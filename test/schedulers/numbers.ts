import { expect } from "vitest"
import { elementCount, type Tensor } from "../../src/tensor.ts"

/** A float32 tensor of f(0), f(1), … */
export function formula(shape: readonly number[], f: (n: number) => number): Tensor<"float32"> {
  return { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, (_, n) => f(n)) }
}

/** The noise of the fixtures. */
export const sineNoise = (shape: readonly number[]): Tensor<"float32"> => formula(shape, n => Math.sin(n + 1))

/** The sample of the fixtures. */
export const sampleOf = (shape: readonly number[], scale = 2): Tensor<"float32"> =>
  formula(shape, n => Math.sin(0.37 * n + 0.2) * scale)

/** The network's output in the fixtures. */
export const outputOf = (shape: readonly number[], scale = 1): Tensor<"float32"> =>
  formula(shape, n => Math.cos(0.61 * n + 0.1) * scale)

/** The input of Diffusers' own tests: numbers from 0 to 1, shape [4, 3, 8, 8]. */
export function dummySample(): Tensor<"float32"> {
  return formula([4, 3, 8, 8], n => {
    const [b, rest] = [Math.floor(n / 192), n % 192]
    return (rest * 4 + b) / 768
  })
}

/** The network of Diffusers' own tests, and others like it: the same factor for every element, in float32. */
export function scaled(sample: Tensor<"float32">, f: (x: number) => number): Tensor<"float32"> {
  return { ...sample, data: sample.data.map(f) }
}

/** Sum and mean of the absolute values. */
export function sums({ data }: Tensor<"float32">): { readonly sum: number; readonly mean: number } {
  const sum = data.reduce((total, x) => total + Math.abs(x), 0)
  return { sum, mean: sum / data.length }
}

/**
 * Expects float32 numbers within a few units in the last place; numbers near zero, which are differences of larger
 * ones, within as many units of `scale`.
 */
export function expectFloat32(
  actual: ArrayLike<number>,
  expected: readonly number[],
  units: number,
  scale = 0,
): void {
  expect(actual).toHaveLength(expected.length)
  const off = expected
    .map(Math.fround)
    .map((value, i) => ({
      i,
      value,
      got: actual[i]!,
      units: Math.abs(value - actual[i]!) / unit(value, scale),
    }))
    .filter(entry => !(entry.units <= units))
  expect(off).toEqual([])
}

/** The distance between two float32 numbers of this size. */
function unit(value: number, scale: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), scale, 2 ** -126))) - 23)
}
