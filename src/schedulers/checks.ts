import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"

/**
 * Checks a count that a caller gives, such as a number of steps.
 *
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkCount(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `${name} is ${describeValue(value)}, but must be a whole number from ${min} to ${max}.`,
    )
  }
}

/**
 * Checks that two tensors have the same shape.
 *
 * @throws InputError `SHAPE_MISMATCH`
 */
export function checkSameShape(name: string, value: Tensor, otherName: string, other: Tensor): void {
  const { shape } = value
  if (shape.length !== other.shape.length || shape.some((size, axis) => size !== other.shape[axis])) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `${name} has the shape [${shape.join(", ")}], but ${otherName} has [${other.shape.join(", ")}].`,
    )
  }
}

/** One number for all samples of a batch, or one for each. */
export type PerSample = number | ArrayLike<number>

/**
 * One number for each sample of a batch.
 *
 * @throws InputError `SHAPE_MISMATCH` when there are neither one nor `batchSize` of them.
 */
export function perSample(name: string, values: PerSample, batchSize: number): readonly number[] {
  const list = typeof values === "number" ? [values] : Array.from(values)
  if (list.length === batchSize) return list
  if (list.length === 1) return Array.from({ length: batchSize }, () => list[0]!)
  throw new InputError(
    "SHAPE_MISMATCH",
    `${name} holds ${list.length} numbers, but the batch has ${batchSize} samples.`,
    { hint: "Give one number, or one for each sample." },
  )
}
