import type { Tensor } from "../tensor.ts"
import { innerProducts, weightedSum } from "./batch.ts"
import type { ScoreDivergence } from "./divergence.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/**
 * A network as it stands in a checkpoint: what it returns depends on how it was trained.
 *
 * @param x - [B, …]
 * @param labels - One for each sample: a noise level, a scaled time or an index.
 */
export type Network = (x: Tensor<"float32">, labels: Float32Array) => Promise<Tensor<"float32">>

/** A network together with its vector–Jacobian product vᵀ·∂output/∂x, shaped like x; one run gives both. */
export type NetworkVjp = (
  x: Tensor<"float32">,
  labels: Float32Array,
  v: Tensor<"float32">,
) => Promise<{ readonly output: Tensor<"float32">; readonly vjp: Tensor<"float32"> }>

/** How a network was trained. */
export interface NetworkOptions {
  /**
   * Whether on continuous times. Default true. Else on the N noise levels of the `sde`: give it the N of training
   * then, also where sampling takes fewer steps.
   */
  readonly continuous?: boolean | undefined
}

/** The score that a network of score_sde stands for. */
export function scoreFunction(
  sde: SDE,
  network: Network,
  { continuous = true }: NetworkOptions = {},
): ScoreFunction {
  return async (x, t) => {
    const { labels, outputScale } = sde.conditioning(t, continuous)
    return weightedSum([outputScale, await network(x, labels)])
  }
}

/** The score and its divergence, from a network with a vector–Jacobian product. */
export function scoreDivergence(
  sde: SDE,
  network: NetworkVjp,
  { continuous = true }: NetworkOptions = {},
): ScoreDivergence {
  return async (x, t, probe) => {
    const { labels, outputScale } = sde.conditioning(t, continuous)
    const { output, vjp } = await network(x, labels, probe)
    return {
      score: weightedSum([outputScale, output]),
      divergence: innerProducts(vjp, probe).map((product, b) => outputScale[b]! * product),
    }
  }
}
