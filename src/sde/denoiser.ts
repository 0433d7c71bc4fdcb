import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/**
 * D(x; σ): the mean of the pictures that x = picture + σ·z can stand for (Karras et al. 2022, "Elucidating the Design
 * Space of Diffusion-Based Generative Models").
 *
 * @param x - [B, …]
 * @param sigma - One noise level for each sample.
 */
export type Denoiser = (x: Tensor<"float32">, sigma: Float32Array) => Promise<Tensor<"float32">>

/**
 * The denoiser of any model of an SDE with Gaussian marginals N(s(t)·x, s(t)²σ(t)²I): D(x; σ) = x + σ²·s·∇log pₜ(s·x)
 * at the t where σ(t) = σ. For VE s is 1 and x is the sample itself; for VP and sub-VP x is the sample divided by s.
 *
 * It throws an InputError for noise levels that the SDE does not pass through.
 */
export function denoiserFromScore(sde: SDE, score: ScoreFunction): Denoiser {
  return async (x, sigma) => {
    const t = sigma.map(level => sde.timeAt(level))
    const onScore = sigma.map((level, b) => level ** 2 * sde.noiseLevel(t[b]!).scale)
    return weightedSum([1, x], [onScore, await score(sde.marginalProb(x, t).mean, t)])
  }
}
