import { weightedSum } from "./batch.ts"
import { type DenoiserSamplerOptions, startDenoising } from "./denoiser-run.ts"
import { edmSchedule, type NoiseSchedule } from "./noise-schedules.ts"
import type { Samples } from "./sampler-run.ts"

/** Options of {@link heunSampler}. */
export interface HeunOptions extends DenoiserSamplerOptions {
  /** The path between the noise levels. Default {@link edmSchedule}. */
  readonly schedule?: NoiseSchedule | undefined
}

/**
 * Heun's method of order 2 on the probability-flow ODE dx/dt = (σ̇/σ + ṡ/s)·x − (σ̇s/σ)·D(x/s; σ): two evaluations for
 * each step but the last (Karras et al. 2022, algorithm 1).
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function heunSampler(options: HeunOptions): Promise<Samples> {
  const { sigma, sigmaDot, time, scale, scaleDot } = options.schedule ?? edmSchedule
  const { run, denoise, sigmas, x: start } = startDenoising(options)
  const t = sigmas.map(time)

  const slope = async (x: typeof start, t: number) => {
    const denoised = await denoise(weightedSum([1 / scale(t), x]), sigma(t))
    const onX = sigmaDot(t) / sigma(t) + scaleDot(t) / scale(t)
    return { d: weightedSum([onX, x], [(-sigmaDot(t) * scale(t)) / sigma(t), denoised]), denoised }
  }

  let x = weightedSum([scale(t[0]!), start])
  for (let i = 0; i < t.length - 1; i++) {
    const [from, to] = [t[i]!, t[i + 1]!]
    const { d, denoised } = await slope(x, from)
    let next = weightedSum([1, x], [to - from, d])
    if (sigma(to) !== 0) {
      const { d: d2 } = await slope(next, to)
      next = weightedSum([1, x], [(to - from) / 2, d], [(to - from) / 2, d2])
    }
    x = await run.endStep(sigmas[i]!, next, denoised)
  }
  return { x: weightedSum([1 / scale(t.at(-1)!), x]), nfe: run.nfe }
}
