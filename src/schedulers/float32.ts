/** Rounds to float32: wrapped around every operation, it gives the float32 arithmetic of PyTorch. */
export const f32: (value: number) => number = Math.fround

/**
 * `count` evenly spaced float32 numbers from `start` to `end`, equal bit for bit to PyTorch's `linspace`: both
 * halves are counted from their own end, with one rounding per element (a fused multiply-add there, a product
 * that is exact in float64 here).
 */
export function linspace(start: number, end: number, count: number): Float32Array {
  const first = f32(start)
  const last = f32(end)
  const step = count > 1 ? f32(f32(last - first) / f32(count - 1)) : 0
  const half = Math.floor(count / 2)
  return Float32Array.from({ length: count }, (_, i) =>
    count === 1 ? first : i < half ? first + step * i : last - step * (count - 1 - i),
  )
}

/** Products of the first 1, 2, … elements. Like PyTorch's on the CPU it is carried in float64. */
export function cumulativeProduct(factors: Float32Array): Float32Array {
  let product = 1
  return factors.map(factor => (product *= factor))
}

/** Rounds to a whole number, halves to the even one, as NumPy does. */
export function roundHalfToEven(value: number): number {
  const down = Math.floor(value)
  const rest = value - down
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1
}
