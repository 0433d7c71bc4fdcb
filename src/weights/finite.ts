import { WeightsError } from "./errors.ts"

/** The index of the first NaN or infinity; -1 when all values are finite. */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    // True for NaN and infinities only, and faster than Number.isFinite.
    if (values[i]! - values[i]! !== 0) return i
  }
  return -1
}

/**
 * Checks the values of one tensor.
 *
 * @param name What the error calls the tensor.
 * @throws WeightsError `TENSOR_NOT_FINITE`.
 */
export function requireFinite(name: string, values: Float32Array): void {
  const index = firstNonFinite(values)
  if (index < 0) return
  throw new WeightsError(
    "TENSOR_NOT_FINITE",
    `The tensor "${name}" holds ${values[index]} at element ${index} of ${values.length}.`,
    { hint: "The training that made these weights diverged, or the file is damaged." },
  )
}
