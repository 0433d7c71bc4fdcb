import { WeightsError } from "./errors.ts"
import { isFloatType, toFloat32 } from "./to-float32.ts"
import type { WeightsFile } from "./weights-file.ts"

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

/**
 * Checks all floating-point tensors of a file, one after the other.
 *
 * @throws WeightsError `TENSOR_NOT_FINITE` for the first tensor with a NaN or an infinity.
 */
export async function requireAllFinite(file: WeightsFile, signal?: AbortSignal): Promise<void> {
  for (const { name, dtype } of file.tensors.values()) {
    if (!isFloatType(dtype)) continue
    const tensor = await file.read(name, signal)
    const values = new Float32Array(tensor.data.length)
    toFloat32(tensor, values)
    requireFinite(name, values)
  }
}
