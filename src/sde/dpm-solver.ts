import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import { checkNotNegative, type DenoiserSamplerOptions, startDenoising } from "./denoiser-run.ts"
import type { Samples } from "./sampler-run.ts"

/**
 * DPM-Solver++(2M) with λ = −log σ: order 2 with one evaluation for each step, from the last two denoised pictures
 * (Lu et al. 2022, "DPM-Solver++", algorithm 2).
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function dpmpp2mSampler(options: DenoiserSamplerOptions): Promise<Samples> {
  const { run, denoise, sigmas, x: start } = startDenoising(options)
  const lambda = sigmas.map(sigma => -Math.log(sigma))

  let x = start
  let previous: Tensor<"float32"> | undefined
  for (let i = 0; i < sigmas.length - 1; i++) {
    const [from, to] = [sigmas[i]!, sigmas[i + 1]!]
    const denoised = await denoise(x, from)
    const h = lambda[i + 1]! - lambda[i]!
    let target = denoised
    if (previous && to !== 0) {
      const r = (lambda[i]! - lambda[i - 1]!) / h
      target = weightedSum([1 + 1 / (2 * r), denoised], [-1 / (2 * r), previous])
    }
    const next = weightedSum([to / from, x], [-Math.expm1(-h), target])
    previous = denoised
    x = await run.endStep(from, next, denoised)
  }
  return { x, nfe: run.nfe }
}

/** Options of {@link dpmpp2mSdeSampler}. */
export interface Dpmpp2mSdeOptions extends DenoiserSamplerOptions {
  /** How much noise a step replaces: 1 solves the reverse SDE, 0 the ODE. Default 1. */
  readonly eta?: number | undefined
  /** The deviation of that noise. Default 1. */
  readonly sNoise?: number | undefined
}

/**
 * SDE-DPM-Solver++(2M): {@link dpmpp2mSampler} for the reverse SDE, by the midpoint formula (Lu et al. 2022,
 * "DPM-Solver++", section 5).
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function dpmpp2mSdeSampler(options: Dpmpp2mSdeOptions): Promise<Samples> {
  const { eta = 1, sNoise = 1 } = options
  checkNotNegative("eta", eta)
  checkNotNegative("sNoise", sNoise)
  const { run, denoise, sigmas, x: start } = startDenoising(options)
  const lambda = sigmas.map(sigma => -Math.log(sigma))

  let x = start
  let previous: Tensor<"float32"> | undefined
  for (let i = 0; i < sigmas.length - 1; i++) {
    const [from, to] = [sigmas[i]!, sigmas[i + 1]!]
    const denoised = await denoise(x, from)
    let next = denoised
    if (to !== 0) {
      const h = lambda[i + 1]! - lambda[i]!
      const gain = -Math.expm1(-(1 + eta) * h)
      next = weightedSum([(to / from) * Math.exp(-eta * h), x], [gain, denoised])
      if (previous) {
        const r = (lambda[i]! - lambda[i - 1]!) / h
        next = weightedSum([1, next], [gain / (2 * r), denoised], [-gain / (2 * r), previous])
      }
      if (eta > 0) {
        const noise = sNoise * to * Math.sqrt(-Math.expm1(-2 * eta * h))
        next = weightedSum([1, next], [noise, run.generator.randn(run.shape)])
      }
    }
    previous = denoised
    x = await run.endStep(from, next, denoised)
  }
  return { x, nfe: run.nfe }
}
