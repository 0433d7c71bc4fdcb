import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { times, weightedSum } from "./batch.ts"
import type { Denoiser } from "./denoiser.ts"
import { type SamplerOptions, SamplerRun } from "./sampler-run.ts"

/**
 * What the samplers on a denoiser take. A sample at the noise level σ is x = picture + σ·z; `latents`, where given, are
 * such an x at the first level.
 */
export interface DenoiserSamplerOptions extends SamplerOptions {
  readonly denoiser: Denoiser
  /** The noise levels to visit, descending; ends with 0 for clean pictures. See `edmSigmas`. */
  readonly sigmas: ArrayLike<number>
}

/** @throws InputError `INVALID_ARGUMENT` */
export function checkNotNegative(name: string, value: number): void {
  if (!(value >= 0))
    throw new InputError("INVALID_ARGUMENT", `${name} is ${value}, but must not be negative.`)
}

/** The denoiser of a run, at one noise level for the whole batch. */
export type Denoise = (x: Tensor<"float32">, sigma: number) => Promise<Tensor<"float32">>

/**
 * What a sampler on a denoiser starts with.
 *
 * @throws InputError `INVALID_ARGUMENT` when the noise levels do not descend.
 */
export function startDenoising(options: DenoiserSamplerOptions): {
  readonly run: SamplerRun
  readonly denoise: Denoise
  readonly sigmas: readonly number[]
  readonly x: Tensor<"float32">
} {
  const sigmas = Array.from(options.sigmas)
  const descending = sigmas.every(
    (sigma, i) => Number.isFinite(sigma) && sigma >= 0 && (i === 0 || sigma < sigmas[i - 1]!),
  )
  if (sigmas.length < 2 || !descending) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "The noise levels must descend, from 2 numbers up and to 0 at least.",
      {
        hint: "edmSigmas makes them.",
      },
    )
  }
  const run = new SamplerRun(options, sigmas.length - 1)
  const watched = run.watch(options.denoiser, sigma => `σ = ${sigma.toPrecision(4)}`)
  return {
    run,
    denoise: (x, sigma) => watched(x, times(x, sigma)),
    sigmas,
    x: run.start((shape, generator) => weightedSum([sigmas[0]!, generator.randn(shape)])),
  }
}
