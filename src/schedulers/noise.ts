import { InputError } from "../errors.ts"
import { type GeneratorInput, randnTensor } from "../random/randn-tensor.ts"
import type { Tensor } from "../tensor.ts"
import { checkSameShape } from "./checks.ts"

/** Where the noise of a step comes from. */
export interface NoiseOptions {
  /** Draws the noise: one generator, or one per sample. Default: a fresh one with a random seed. */
  readonly generator?: GeneratorInput | undefined
  /** The noise itself, standard normal, shaped like the sample; in place of a generator. */
  readonly noise?: Tensor<"float32"> | undefined
}

/**
 * The standard normal noise of a step.
 *
 * @throws InputError `INVALID_ARGUMENT` when both a generator and noise are given; `SHAPE_MISMATCH`
 */
export function drawNoise(sample: Tensor, { generator, noise }: NoiseOptions): Tensor<"float32"> {
  if (noise === undefined) return randnTensor(sample.shape, generator)
  if (generator !== undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Both a generator and noise were given; a step uses one of them.",
    )
  }
  checkSameShape("noise", noise, "the sample", sample)
  return noise
}
