import { f32 } from "./float32.ts"

/**
 * Dynamic thresholding, in place: clamps each sample to ±s and divides by s, where s is the `ratio` quantile of its
 * absolute values, but at least 1 and at most `maxValue` (Saharia et al. 2022, "Imagen").
 */
export function thresholdInPlace(
  data: Float32Array,
  batchSize: number,
  ratio: number,
  maxValue: number,
): void {
  const size = data.length / batchSize
  for (let b = 0; b < batchSize; b++) {
    const sample = data.subarray(b * size, (b + 1) * size)
    const s = Math.min(Math.max(quantile(sample.map(Math.abs), ratio), 1), f32(maxValue))
    for (let i = 0; i < size; i++) sample[i] = Math.min(Math.max(sample[i]!, -s), s) / s
  }
}

/** A quantile with linear interpolation, in float32 as in PyTorch. Sorts `values`. */
function quantile(values: Float32Array, q: number): number {
  values.sort()
  const rank = f32(f32(q) * (values.length - 1))
  const below = values[Math.floor(rank)]!
  const above = values[Math.ceil(rank)]!
  const weight = f32(rank - Math.floor(rank))
  const difference = f32(above - below)
  return weight < 0.5 ? f32(below + weight * difference) : f32(above - difference * f32(1 - weight))
}
