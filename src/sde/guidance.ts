import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/**
 * ∇ₓ log p(y | x, σ) of a classifier that knows noisy pictures, for the label y of each sample.
 *
 * @param x - [B, …]: pictures in [0, 1], plus noise.
 * @param sigma - The deviation of the noise in each sample.
 */
export type ClassifierGradient = (x: Tensor<"float32">, sigma: Float32Array) => Promise<Tensor<"float32">>

/** Options of {@link guidedScore}. */
export interface GuidanceOptions {
  /** 1 is Bayes' rule; more favours typical pictures of the label. Default 1. */
  readonly scale?: number | undefined
  /** Black and white of the SDE's pictures. Default [0, 1]. */
  readonly range?: readonly [black: number, white: number] | undefined
}

/**
 * The score of pictures with a label: s(x, t) + scale·∇ₓ log p(y | x, σ(t)) (Song et al. 2021, section 5 and
 * appendix I.1). The classifier sees x(t) = α·x(0) + std·z as the picture in [0, 1] that x(0) is, with the noise that it
 * has then; for a VE SDE on [0, 1] that is x(t) itself.
 */
export function guidedScore(
  sde: SDE,
  score: ScoreFunction,
  classifierGradient: ClassifierGradient,
  { scale = 1, range: [black, white] = [0, 1] }: GuidanceOptions = {},
): ScoreFunction {
  const span = white - black
  return async (x, t) => {
    const levels = Array.from(t, time => sde.noiseLevel(time))
    const pictures = weightedSum([levels.map(level => 1 / (level.scale * span)), x])
    if (black !== 0)
      pictures.data.forEach((value, i) => {
        pictures.data[i] = value - black / span
      })
    const sigma = Float32Array.from(levels, level => level.sigma / span)
    const gradient = await classifierGradient(pictures, sigma)
    return weightedSum([1, await score(x, t)], [levels.map(level => scale / (level.scale * span)), gradient])
  }
}
