import {
  createConfig,
  defineConfig,
  formatConfig,
  key,
  type ReadConfigOptions,
  readConfig,
} from "../config/config.ts"
import { float } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { checkCount, checkSameShape } from "./checks.ts"
import { f32 } from "./float32.ts"
import { drawNoise, type NoiseOptions } from "./noise.ts"
import { MAX_TIMESTEPS, SCHEDULER_FILE } from "./scheduler.ts"

/** The configuration of a {@link KarrasVeScheduler}. */
export interface KarrasVeConfig {
  /** The square root of the least noise level. Default 0.02. */
  readonly sigmaMin: number
  /** The square root of the greatest noise level, and the deviation of the noise at the start. Default 100. */
  readonly sigmaMax: number
  /** The deviation of the noise that a step adds. Default 1.007. */
  readonly sNoise: number
  /** How much noise is added and removed in all. Default 80. */
  readonly sChurn: number
  /** The least noise level at which noise is added. Default 0.05. */
  readonly sMin: number
  /** The greatest noise level at which noise is added. Default 50. */
  readonly sMax: number
}

/** What {@link KarrasVeScheduler.step} returns. */
export interface KarrasVeStep {
  /** The sample at the next noise level. */
  readonly prevSample: Tensor<"float32">
  /** dx/dσ at the higher noise level: what {@link KarrasVeScheduler.stepCorrect} needs. */
  readonly derivative: Tensor<"float32">
  /** The picture that the network sees in the sample. */
  readonly predOriginalSample: Tensor<"float32">
}

const spec = defineConfig<KarrasVeConfig>({
  className: "KarrasVeScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    sigmaMin: key(float({ above: 0 }), 0.02),
    sigmaMax: key(float({ above: 0 }), 100n),
    sNoise: key(float({ min: 0 }), 1.007),
    sChurn: key(float({ min: 0 }), 80n),
    sMin: key(float({ min: 0 }), 0.05),
    sMax: key(float({ min: 0 }), 50n),
  },
  conflict: ({ sigmaMin, sigmaMax }) =>
    sigmaMin < sigmaMax ? undefined : { key: "sigmaMin", allowed: `less than sigma_max, ${sigmaMax}` },
})

/**
 * The stochastic sampler of Karras et al. (2022, algorithm 2) for models of the variance-exploding SDE, as in Diffusers.
 *
 * The model's output is σ times the score of pictures in [−1, 1]. One step at `timesteps[i]` with σ of `schedule`:
 * {@link addNoiseToInput}, {@link step} and, where the next σ is not 0, {@link stepCorrect}.
 *
 * The noise levels go from `sigmaMax²` down to `sigmaMin²`: Diffusers leaves out a root, and so do we, for the same
 * pictures. `stochasticHeunSampler` has the paper's levels.
 */
export class KarrasVeScheduler {
  static readonly className: string = spec.className

  /** The configuration: frozen, with Diffusers' names in camelCase. */
  readonly config: Readonly<KarrasVeConfig>
  /** Network evaluations of a step. */
  readonly order: number = 2
  /** Standard deviation of the noise that sampling starts from. */
  readonly initNoiseSigma: number
  /** The number that {@link setTimesteps} was given; null before. */
  numInferenceSteps: number | null = null
  /** Indices into `schedule`, descending; empty before {@link setTimesteps}. */
  timesteps: Int32Array = new Int32Array(0)
  /** The noise levels, ascending, float32. */
  schedule: Float32Array = new Float32Array(0)

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<KarrasVeConfig> = {}) {
    this.config = createConfig(spec, config)
    this.initNoiseSigma = this.config.sigmaMax
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<KarrasVeConfig> = {},
    options: ReadConfigOptions = {},
  ): KarrasVeScheduler {
    return new KarrasVeScheduler(readConfig(spec, config, overrides, options))
  }

  /** Names of the scheduler classes, known to this library, that can take over this scheduler's configuration. */
  get compatibles(): readonly string[] {
    return [spec.className]
  }

  /** The sample as the network takes it: unchanged. */
  scaleModelInput(sample: Tensor<"float32">, _timestep?: number): Tensor<"float32"> {
    return sample
  }

  /**
   * Sets the noise levels of `numInferenceSteps` sampling steps; at least 2.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  setTimesteps(numInferenceSteps: number): void {
    checkCount("numInferenceSteps", numInferenceSteps, 2, MAX_TIMESTEPS)
    const last = numInferenceSteps - 1
    const [least, greatest] = [this.config.sigmaMin ** 2, this.config.sigmaMax ** 2]
    this.numInferenceSteps = numInferenceSteps
    this.timesteps = Int32Array.from({ length: numInferenceSteps }, (_, i) => last - i)
    // Diffusers fills the list in the order of the descending timesteps: it ascends in σ.
    this.schedule = Float32Array.from(
      this.timesteps,
      i => f32(greatest) * f32(f32(least / greatest) ** f32(i / last)),
    )
  }

  /**
   * Goes up to a higher noise level: σ̂ = σ(1 + γ), x̂ = x + √(σ̂² − σ²)·sNoise·z. Noise is drawn also where γ is 0.
   *
   * @param sigma - One of `schedule`.
   * @throws InputError `NOT_SET_UP`, `SHAPE_MISMATCH`
   */
  addNoiseToInput(
    sample: Tensor<"float32">,
    sigma: number,
    options: NoiseOptions = {},
  ): { readonly sampleHat: Tensor<"float32">; readonly sigmaHat: number } {
    if (this.numInferenceSteps === null) {
      throw new InputError("NOT_SET_UP", "The scheduler has no number of steps.", {
        hint: "Call setTimesteps first.",
      })
    }
    const { sMin, sMax, sChurn, sNoise } = this.config
    const from = f32(sigma)
    const gamma = from >= sMin && from <= sMax ? Math.min(sChurn / this.numInferenceSteps, Math.SQRT2 - 1) : 0
    const sigmaHat = f32(from + f32(gamma * from))
    const scale = f32(Math.sqrt(f32(f32(sigmaHat ** 2) - f32(from ** 2))))
    const z = drawNoise(sample, options).data
    const data = sample.data.map((x, i) => x + f32(scale * f32(sNoise * z[i]!)))
    return { sampleHat: { dtype: "float32", shape: sample.shape, data }, sigmaHat }
  }

  /**
   * An Euler step from σ̂ to the next noise level.
   *
   * @param modelOutput - σ̂ times the score at `sampleHat`.
   * @throws InputError `SHAPE_MISMATCH`
   */
  step(
    modelOutput: Tensor<"float32">,
    sigmaHat: number,
    sigmaPrev: number,
    sampleHat: Tensor<"float32">,
  ): KarrasVeStep {
    checkSameShape("modelOutput", modelOutput, "sampleHat", sampleHat)
    const { original, derivative } = slope(modelOutput.data, sigmaHat, sampleHat.data)
    const prev = sampleHat.data.map((x, i) => x + f32(f32(sigmaPrev - sigmaHat) * derivative[i]!))
    return result(sampleHat.shape, prev, derivative, original)
  }

  /**
   * Heun's correction: the same step with the mean of the slopes at both ends.
   *
   * @param modelOutput - σ of the next level times the score at `samplePrev`.
   * @param sigmaPrev - The next noise level; not 0.
   * @param samplePrev - What {@link step} returned, and `derivative` with it.
   * @throws InputError `SHAPE_MISMATCH`; `INVALID_ARGUMENT` when the next noise level is 0.
   */
  stepCorrect(
    modelOutput: Tensor<"float32">,
    sigmaHat: number,
    sigmaPrev: number,
    sampleHat: Tensor<"float32">,
    samplePrev: Tensor<"float32">,
    derivative: Tensor<"float32">,
  ): KarrasVeStep {
    checkSameShape("modelOutput", modelOutput, "sampleHat", sampleHat)
    checkSameShape("samplePrev", samplePrev, "sampleHat", sampleHat)
    checkSameShape("derivative", derivative, "sampleHat", sampleHat)
    if (sigmaPrev === 0) {
      throw new InputError("INVALID_ARGUMENT", "sigmaPrev is 0: the last step has no correction.")
    }
    const { original, derivative: corrected } = slope(modelOutput.data, sigmaPrev, samplePrev.data)
    const d = derivative.data
    const prev = sampleHat.data.map(
      (x, i) => x + f32(f32(sigmaPrev - sigmaHat) * f32(f32(0.5 * d[i]!) + f32(0.5 * corrected[i]!))),
    )
    return result(sampleHat.shape, prev, d, original)
  }

  /** The text of `scheduler_config.json`, byte for byte as Diffusers writes it. */
  toJsonString(): string {
    return formatConfig(this.config)
  }
}

/** The picture that the network sees in x, and (x − picture)/σ. */
function slope(output: Float32Array, sigma: number, x: Float32Array) {
  const original = x.map((value, i) => value + f32(sigma * output[i]!))
  return { original, derivative: x.map((value, i) => f32(value - original[i]!) / sigma) }
}

function result(
  shape: readonly number[],
  prevSample: Float32Array,
  derivative: Float32Array,
  predOriginalSample: Float32Array,
): KarrasVeStep {
  const tensor = (data: Float32Array): Tensor<"float32"> => ({ dtype: "float32", shape, data })
  return {
    prevSample: tensor(prevSample),
    derivative: tensor(derivative),
    predOriginalSample: tensor(predOriginalSample),
  }
}
