import { InputError } from "../errors.ts"
import { weightedSum } from "./batch.ts"
import { type DenoiserSamplerOptions, startDenoising } from "./denoiser-run.ts"
import type { Samples } from "./sampler-run.ts"

/** Options of {@link ddimSampler}. */
export interface DdimOptions extends DenoiserSamplerOptions {
  /** How much noise a step adds: 0 is deterministic, 1 is as much as in ancestral sampling. Default 0. */
  readonly eta?: number | undefined
}

/**
 * DDIM (Song et al. 2021, "Denoising Diffusion Implicit Models", formula 12 with x/√ᾱ for x and σ² = (1 − ᾱ)/ᾱ):
 * x' = D + √(σ'² − η²v)·(x − D)/σ + η√v·z with v = σ'²(σ² − σ'²)/σ². One evaluation for each step.
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function ddimSampler(options: DdimOptions): Promise<Samples> {
  const { eta = 0 } = options
  if (!(eta >= 0 && eta <= 1)) {
    throw new InputError("INVALID_ARGUMENT", `eta is ${eta}, but must lie in [0, 1].`)
  }
  const { run, denoise, sigmas, x: start } = startDenoising(options)

  let x = start
  for (let i = 0; i < sigmas.length - 1; i++) {
    const [from, to] = [sigmas[i]!, sigmas[i + 1]!]
    const denoised = await denoise(x, from)
    const variance = (eta * to) ** 2 * (1 - (to / from) ** 2)
    const kept = Math.sqrt(to ** 2 - variance) / from
    let next = weightedSum([kept, x], [1 - kept, denoised])
    if (variance > 0) next = weightedSum([1, next], [Math.sqrt(variance), run.generator.randn(run.shape)])
    x = await run.endStep(from, next, denoised)
  }
  return { x, nfe: run.nfe }
}
