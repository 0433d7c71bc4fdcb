import type { Tensor } from "../tensor.ts"

/**
 * A seeded source of random tensors, and all that a sampler needs to know about one.
 *
 * The first axis of every shape counts samples (pictures), so that a counter-based generator can give each
 * sample a stream of its own; each call is one draw and advances the generator.
 */
export interface RandomGenerator {
  /** The next draw of standard normal numbers, float32. */
  randn(shape: readonly number[]): Tensor<"float32">

  /** The next draw of numbers that are uniform in [0, 1), float32. */
  rand(shape: readonly number[]): Tensor<"float32">

  /** The next draw of integers that are uniform in [low, high). */
  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64">

  /**
   * The generator to use for the next `size` samples of a larger request: call it once per batch, in order.
   * A sequential generator returns itself, since its stream just goes on; a counter-based one returns a
   * generator for these samples alone, and a list of generators its next `size` members.
   */
  nextBatch(size: number): RandomGenerator
}
