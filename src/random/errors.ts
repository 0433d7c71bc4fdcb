import { ScoreSdeError } from "../errors.ts"

/**
 * A random generator was asked for something that it cannot give.
 *
 * - `INVALID_SEED`: not an integer, or outside of 64 bits
 * - `INVALID_STATE`: bytes that are no saved state of this generator
 * - `INVALID_RANGE`: an empty or too wide range of integers
 * - `INVALID_SHAPE`: a dimension that is no whole number from 0 up
 * - `GENERATOR_COUNT`: a list of generators that does not fit the batch
 * - `SEED_AND_GENERATOR`: both given where one is meant
 */
export class RandomError extends ScoreSdeError<
  | "INVALID_SEED"
  | "INVALID_STATE"
  | "INVALID_RANGE"
  | "INVALID_SHAPE"
  | "GENERATOR_COUNT"
  | "SEED_AND_GENERATOR"
> {}
