import { elementCount } from "../tensor.ts"
import { RandomError } from "./errors.ts"

/** The most elements that one draw may hold: what fits a typed array everywhere. */
const mostElements = 2 ** 31 - 1

/**
 * The number of elements of `shape`, once it is known to be a shape.
 *
 * @throws RandomError `INVALID_SHAPE`
 */
export function checkedElementCount(shape: readonly number[]): number {
  const count = elementCount(shape)
  if (!shape.every(size => Number.isSafeInteger(size) && size >= 0) || count > mostElements) {
    throw new RandomError("INVALID_SHAPE", `[${shape.join(", ")}] is no shape to draw random numbers for.`, {
      hint: `Every dimension must be a whole number from 0 up, and their product at most ${mostElements}.`,
    })
  }
  return count
}

/**
 * The number of integers in [low, high).
 *
 * @throws RandomError `INVALID_RANGE` when there is none, or when the bounds are not exact or too far apart.
 */
export function checkedRange(low: number, high: number): number {
  const range = high - low
  if (
    !Number.isSafeInteger(low) ||
    !Number.isSafeInteger(high) ||
    range < 1 ||
    !Number.isSafeInteger(range)
  ) {
    throw new RandomError("INVALID_RANGE", `There is no integer to draw from [${low}, ${high}).`, {
      hint: "Give whole numbers with low < high, at most 2^53 apart.",
    })
  }
  return range
}
