import { ScoreSdeError } from "../errors.ts"

/**
 * A random generator was asked for something that it cannot give.
 *
 * - `INVALID_SEED`: not an integer, or more than 64 bits
 * - `INVALID_STATE`: no state or position of such a generator
 * - `INVALID_SHAPE`: a dimension that is no whole number from 0 up, or too many elements
 * - `INVALID_RANGE`: an empty or too wide range of integers
 * - `GENERATOR_COUNT`: a list of generators that does not fit the batch
 * - `SEED_AND_GENERATOR`: both given where one of them is meant
 */
export class RandomError extends ScoreSdeError<
  | "INVALID_SEED"
  | "INVALID_STATE"
  | "INVALID_SHAPE"
  | "INVALID_RANGE"
  | "GENERATOR_COUNT"
  | "SEED_AND_GENERATOR"
> {
  override readonly name: string = "RandomError"
}
