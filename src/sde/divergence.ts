import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { innerProducts, weightedSum, zerosLike } from "./batch.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/**
 * The score s(x, t) with εᵀ(∂s/∂x)ε of each sample, where ε is `probe`. Over random ε with mean 0 and covariance I its
 * mean is the divergence ∇·s: the Skilling–Hutchinson estimator.
 */
export type ScoreDivergence = (
  x: Tensor<"float32">,
  t: Float32Array,
  probe: Tensor<"float32">,
) => Promise<{ readonly score: Tensor<"float32">; readonly divergence: ArrayLike<number> }>

/** The drift of the probability-flow ODE with its divergence, estimated with `probe` or exact. */
export type FlowDivergence = (
  x: Tensor<"float32">,
  t: Float32Array,
  probe: Tensor<"float32">,
) => Promise<{ readonly drift: Tensor<"float32">; readonly divergence: Float64Array }>

/**
 * A {@link ScoreDivergence} without a gradient, from central differences εᵀ(s(x + hε) − s(x − hε))/2h: three
 * evaluations of the score, and an error of a few percent where float32 leaves few digits.
 *
 * @param h - The distance, in units of `probe`. Default 1e-2.
 */
export function divergenceByDifferences(score: ScoreFunction, h = 1e-2): ScoreDivergence {
  if (!(h > 0)) throw new InputError("INVALID_ARGUMENT", `h is ${h}, but must be greater than 0.`)
  return async (x, t, probe) => {
    const ahead = await score(weightedSum([1, x], [h, probe]), t)
    const behind = await score(weightedSum([1, x], [-h, probe]), t)
    const change = weightedSum([1, ahead], [-1, behind])
    return {
      score: await score(x, t),
      divergence: innerProducts(probe, change).map(product => product / (2 * h)),
    }
  }
}

/** The probability-flow drift b = f − ½g²s with εᵀ(∂b/∂x)ε. */
export function flowDivergence(sde: SDE, score: ScoreDivergence): FlowDivergence {
  return async (x, t, probe) => {
    const { drift, diffusion } = sde.sde(x, t)
    const onScore = diffusion.map(g => -0.5 * g ** 2)
    const { score: s, divergence } = await score(x, t, probe)
    return {
      drift: weightedSum([1, drift], [onScore, s]),
      divergence: sde.driftDivergence(x, t, probe).map((own, b) => own + onScore[b]! * divergence[b]!),
    }
  }
}

/** The exact divergence Σᵢ eᵢᵀ(∂b/∂x)eᵢ over the axes, whatever the probe: D evaluations each time, for tiny inputs. */
export function exactDivergence(flow: FlowDivergence): FlowDivergence {
  return async (x, t) => {
    const samples = x.shape[0] ?? 1
    const size = x.data.length / samples
    let drift = zerosLike(x)
    const trace = new Float64Array(samples)
    for (let i = 0; i < size; i++) {
      const axis = zerosLike(x)
      for (let b = 0; b < samples; b++) axis.data[b * size + i] = 1
      const along = await flow(x, t, axis)
      along.divergence.forEach((value, b) => {
        trace[b]! += value
      })
      drift = along.drift
    }
    return { drift, divergence: trace }
  }
}
