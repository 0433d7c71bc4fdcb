import { weightedSum } from "./batch.ts"
import { checkNotNegative, type DenoiserSamplerOptions, startDenoising } from "./denoiser-run.ts"
import type { Samples } from "./sampler-run.ts"

/** Options of {@link stochasticHeunSampler}. */
export interface StochasticHeunOptions extends DenoiserSamplerOptions {
  /** How much noise is added and removed in all; 0 is deterministic. Default 0. */
  readonly sChurn?: number | undefined
  /** The least noise level at which noise is added. Default 0. */
  readonly sTmin?: number | undefined
  /** The greatest noise level at which noise is added. Default infinity. */
  readonly sTmax?: number | undefined
  /** The deviation of that noise. Default 1. */
  readonly sNoise?: number | undefined
}

/**
 * Heun's method with a churn of noise: each step first goes up to a higher noise level (Karras et al. 2022,
 * algorithm 2, σ(t) = t and s(t) = 1).
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function stochasticHeunSampler(options: StochasticHeunOptions): Promise<Samples> {
  const { sChurn = 0, sTmin = 0, sTmax = Number.POSITIVE_INFINITY, sNoise = 1 } = options
  checkNotNegative("sChurn", sChurn)
  checkNotNegative("sNoise", sNoise)
  const { run, denoise, sigmas: t, x: start } = startDenoising(options)
  const steps = t.length - 1

  let x = start
  for (let i = 0; i < steps; i++) {
    const [from, to] = [t[i]!, t[i + 1]!]
    const gamma = from >= sTmin && from <= sTmax ? Math.min(sChurn / steps, Math.SQRT2 - 1) : 0
    const tHat = from + gamma * from
    const noise = sNoise * Math.sqrt(tHat ** 2 - from ** 2)
    const xHat = sChurn > 0 ? weightedSum([1, x], [noise, run.generator.randn(run.shape)]) : x

    const denoised = await denoise(xHat, tHat)
    const d = weightedSum([1 / tHat, xHat], [-1 / tHat, denoised])
    let next = weightedSum([1, xHat], [to - tHat, d])
    if (to !== 0) {
      const d2 = weightedSum([1 / to, next], [-1 / to, await denoise(next, to)])
      next = weightedSum([1, xHat], [(to - tHat) / 2, d], [(to - tHat) / 2, d2])
    }
    x = await run.endStep(from, next, denoised)
  }
  return { x, nfe: run.nfe }
}
