import { checkSameShape } from "../schedulers/checks.ts"
import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import type { Measurement } from "./measurements.ts"
import { type PcSamplerOptions, predictorCorrector } from "./pc-sampler.ts"
import type { SamplerRun, Samples } from "./sampler-run.ts"

/** Options of {@link projectedSampler}. */
export interface ProjectedSamplerOptions extends Omit<PcSamplerOptions, "shape"> {
  /** What is known of the picture: `inpainting`, `colorization`, `averagePooling` or `linearMeasurement`. */
  readonly measurement: Measurement
  /**
   * Whether to do as score_sde does: the known part starts without noise, `denoise` leaves the noise in the unknown
   * part, `eps` is 1e-5 by default, and `colorization` draws its noise in another way. Default false.
   */
  readonly compat?: boolean | undefined
}

/**
 * Predictor–corrector sampling of pictures that agree with a {@link Measurement}: after every update the known part is
 * replaced by that of the noised data, x ← x − P·x + P·(mean + std·z) (Song et al. 2021, appendix I).
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function projectedSampler(options: ProjectedSamplerOptions): Promise<Samples> {
  const { sde, latents, compat = false } = options
  const { data, known } = options.measurement
  const { unknownStart = unknown, knownNoise = known } = (compat && options.measurement.compat) || {}
  if (latents) checkSameShape("latents", latents, "the measured picture", data)

  function unknown(x: Tensor<"float32">): Tensor<"float32"> {
    return weightedSum([1, x], [-1, known(x)])
  }

  /** The known part at time t, without noise and with it. */
  function knownAt(t: Float32Array, run: SamplerRun): readonly [Tensor<"float32">, Tensor<"float32">] {
    const { mean, std } = options.sde.marginalProb(data, t)
    const part = known(mean)
    return [part, weightedSum([1, part], [std, knownNoise(run.generator.randn(data.shape))])]
  }

  return predictorCorrector(
    {
      ...options,
      shape: data.shape,
      eps: options.eps ?? (compat ? 1e-5 : sde.samplingEps),
    },
    {
      start: (prior, t, run) =>
        weightedSum([1, unknownStart(prior)], [1, compat ? known(data) : knownAt(t, run)[1]]),
      afterUpdate: (update, t, run) => {
        const [part, noisy] = knownAt(t, run)
        const x = weightedSum([1, unknown(update.x)], [1, noisy])
        const mean = weightedSum([1, unknown(compat ? update.x : update.mean)], [1, part])
        return { x, mean }
      },
    },
  )
}
