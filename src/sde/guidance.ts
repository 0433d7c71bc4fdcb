import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/**
 * ∇ₓ log p(y | x, σ) of a classifier that knows noisy pictures, for the label y of each sample.
 *
 * @param x - [B, …]
 * @param sigma - The deviation of the noise in each sample.
 */
export type ClassifierGradient = (x: Tensor<"float32">, sigma: Float32Array) => Promise<Tensor<"float32">>

/**
 * The score of pictures with a label: s(x, t) + scale·∇ₓ log p(y | x, σ(t)) (Song et al. 2021, section 5 and
 * appendix I.1).
 *
 * @param scale - 1 is Bayes' rule; more favours typical pictures of the label. Default 1.
 */
export function guidedScore(
  sde: SDE,
  score: ScoreFunction,
  classifierGradient: ClassifierGradient,
  { scale = 1 }: { readonly scale?: number | undefined } = {},
): ScoreFunction {
  return async (x, t) => {
    const { std } = sde.marginalProb(x, t)
    return weightedSum([1, await score(x, t)], [scale, await classifierGradient(x, std)])
  }
}
