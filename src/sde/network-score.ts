import type { Tensor } from "../tensor.ts"
import { innerProducts, weightedSum } from "./batch.ts"
import type { ScoreDivergence } from "./divergence.ts"
import type { Conditioning, ScoreFunction, SDE } from "./sde.ts"

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
    const conditioning = sde.conditioning(t, continuous)
    return scoreOf(x, await network(x, conditioning.labels), conditioning)
  }
}

function scoreOf(
  x: Tensor<"float32">,
  output: Tensor<"float32">,
  { outputScale, inputScale }: Conditioning,
): Tensor<"float32"> {
  return inputScale ? weightedSum([outputScale, output], [inputScale, x]) : weightedSum([outputScale, output])
}

/** The score and its divergence, from a network with a vector–Jacobian product. */
export function scoreDivergence(
  sde: SDE,
  network: NetworkVjp,
  { continuous = true }: NetworkOptions = {},
): ScoreDivergence {
  return async (x, t, probe) => {
    const conditioning = sde.conditioning(t, continuous)
    const { labels, outputScale, inputScale } = conditioning
    const { output, vjp } = await network(x, labels, probe)
    const slope = inputScale
      ? weightedSum([outputScale, vjp], [inputScale, probe])
      : weightedSum([outputScale, vjp])
    return { score: scoreOf(x, output, conditioning), divergence: innerProducts(slope, probe) }
  }
}
