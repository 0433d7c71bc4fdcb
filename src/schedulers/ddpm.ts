import { createConfig, defineConfig, key, type ReadConfigOptions, readConfig } from "../config/config.ts"
import { oneOf } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { checkCount, checkSameShape } from "./checks.ts"
import {
  type DenoisingStep,
  type DiscreteConfig,
  DiscreteScheduler,
  discreteConflict,
  discreteKeys,
} from "./discrete.ts"
import { f32 } from "./float32.ts"
import { karrasKeys } from "./karras-keys.ts"
import type { LinearStep } from "./linear-step.ts"
import { drawNoise, type NoiseOptions } from "./noise.ts"
import { SCHEDULER_FILE } from "./scheduler.ts"

/** The variance of a DDPM step: fixed at one of its bounds, or predicted by the network. */
export type VarianceType =
  | "fixed_small"
  | "fixed_small_log"
  | "fixed_large"
  | "fixed_large_log"
  | "learned"
  | "learned_range"

/** The configuration of a {@link DDPMScheduler}. */
export interface DDPMConfig extends DiscreteConfig {
  /** Default "fixed_small", the lower bound. */
  readonly varianceType: VarianceType
}

/** The timesteps of {@link DDPMScheduler.setTimesteps}, in place of a number of them. */
export interface CustomTimesteps {
  /** Descending, each below `numTrainTimesteps`. */
  readonly timesteps: readonly number[]
}

const spec = defineConfig<DDPMConfig>({
  className: "DDPMScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    ...discreteKeys,
    betaSchedule: key(
      oneOf(["linear", "scaled_linear", "squaredcos_cap_v2", "laplace", "sigmoid"]),
      "linear",
    ),
    varianceType: key(
      oneOf(["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"]),
      "fixed_small",
    ),
  },
  conflict: discreteConflict,
  compatibleKeys: karrasKeys,
})

/** Ancestral sampling of denoising diffusion models (Ho et al. 2020), as in Diffusers. */
export class DDPMScheduler extends DiscreteScheduler<DDPMConfig> {
  static readonly className: string = spec.className

  /** Whether `timesteps` were given one by one. */
  customTimesteps = false

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<DDPMConfig> = {}) {
    super(createConfig(spec, config))
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<DDPMConfig> = {},
    options: ReadConfigOptions = {},
  ): DDPMScheduler {
    return new DDPMScheduler(readConfig(spec, config, overrides, options))
  }

  /**
   * Sets the timesteps that sampling visits: a number of them, spaced as configured, or a list.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  setTimesteps(steps: number | CustomTimesteps): void {
    if (typeof steps === "number") this.setSpacedTimesteps(steps)
    else this.#setCustomTimesteps(steps.timesteps)
    this.customTimesteps = typeof steps !== "number"
  }

  /**
   * The timestep that sampling visits after `timestep`; −1 after the last.
   *
   * @throws InputError `INVALID_ARGUMENT` when sampling does not visit `timestep`.
   */
  previousTimestep(timestep: number): number {
    const index = this.timesteps.indexOf(timestep)
    if (index < 0) {
      throw new InputError("INVALID_ARGUMENT", `Sampling does not visit the timestep ${timestep}.`, {
        hint: "Give one of the scheduler's timesteps.",
      })
    }
    return this.timesteps[index + 1] ?? -1
  }

  /**
   * One step of ancestral sampling, x_{t'} ~ N(μ(x_t, x₀), σ²), formulas 6 and 7 of the paper. No noise is drawn at
   * timestep 0.
   *
   * @param modelOutput - What `predictionType` says; with a learned variance, twice the channels: the prediction,
   *   then the variance.
   * @param timestep - One of `timesteps`.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  step(
    modelOutput: Tensor<"float32">,
    timestep: number,
    sample: Tensor<"float32">,
    options: NoiseOptions = {},
  ): DenoisingStep {
    const { output, variance } = this.#split(modelOutput, sample)
    const { alphaProd, onOriginal, onSample, lower, upper } = this.#posterior(timestep)
    const original = this.predictOriginal(output, sample, alphaProd)
    const x = sample.data
    const data = new Float32Array(x.length)
    for (let i = 0; i < data.length; i++) data[i] = f32(onOriginal * original[i]!) + f32(onSample * x[i]!)

    if (timestep > 0) {
      const noise = drawNoise(sample, options).data
      const std = this.#std(lower, upper, variance)
      for (let i = 0; i < data.length; i++) {
        data[i] = data[i]! + f32((typeof std === "number" ? std : std[i]!) * noise[i]!)
      }
    }
    return {
      prevSample: { dtype: "float32", shape: sample.shape, data },
      predOriginalSample: { dtype: "float32", shape: sample.shape, data: original },
    }
  }

  /**
   * The numbers of {@link step} at `timestep`; undefined where it isn't made of sums: with dynamic thresholding or a
   * learned variance.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  linearStep(timestep: number): LinearStep | undefined {
    if (this.config.thresholding || this.#learnsVariance) return undefined
    const { alphaProd, onOriginal, onSample, lower, upper } = this.#posterior(timestep)
    return {
      onSample,
      onOutput: 0,
      onOriginal,
      ...this.originalAsSum(alphaProd),
      onNoise: timestep > 0 ? (this.#std(lower, upper, undefined) as number) : undefined,
    }
  }

  /** The mean of q(x_{t'} | x_t, x₀) as a sum, and the bounds of a step's variance. */
  #posterior(timestep: number): Posterior {
    const prev = this.previousTimestep(timestep)
    const alphaProd = this.alphaProdAt(timestep)
    const alphaProdPrev = prev >= 0 ? this.alphaProdAt(prev) : 1
    const betaProd = f32(1 - alphaProd)
    const betaProdPrev = f32(1 - alphaProdPrev)
    const alpha = f32(alphaProd / alphaProdPrev)
    const beta = f32(1 - alpha)
    return {
      alphaProd,
      onOriginal: f32(f32(f32(Math.sqrt(alphaProdPrev)) * beta) / betaProd),
      onSample: f32(f32(f32(Math.sqrt(alpha)) * betaProdPrev) / betaProd),
      lower: Math.max(f32(f32(betaProdPrev / betaProd) * beta), f32(1e-20)),
      upper: beta,
    }
  }

  get #learnsVariance(): boolean {
    return this.config.varianceType === "learned" || this.config.varianceType === "learned_range"
  }

  #setCustomTimesteps(timesteps: readonly number[]): void {
    if (timesteps.length === 0) {
      throw new InputError("INVALID_ARGUMENT", "The list of timesteps is empty.")
    }
    timesteps.forEach((timestep, i) => {
      const max = i === 0 ? this.length - 1 : timesteps[i - 1]! - 1
      checkCount(`timesteps[${i}]`, timestep, 0, max)
    })
    this.timesteps = Int32Array.from(timesteps)
    this.numInferenceSteps = timesteps.length
  }

  /** Standard deviation of a step's noise; `lower` and `upper` bound its square. */
  #std(lower: number, upper: number, variance: Float32Array | undefined): number | Float32Array {
    switch (this.config.varianceType) {
      case "fixed_small":
        return f32(Math.sqrt(lower))
      case "fixed_small_log":
        return f32(Math.exp(f32(0.5 * f32(Math.log(lower)))))
      case "fixed_large":
        return f32(Math.sqrt(upper))
      case "fixed_large_log":
        // Diffusers takes the square root of the logarithm here, which is NaN; this is what the name means.
        return f32(Math.exp(f32(0.5 * f32(Math.log(upper)))))
      case "learned":
        return variance!.map(Math.sqrt)
      case "learned_range": {
        const [min, max] = [f32(Math.log(lower)), f32(Math.log(upper))]
        return variance!.map(v => {
          const fraction = f32(f32(v + 1) / 2)
          return Math.exp(f32(0.5 * f32(f32(fraction * max) + f32(f32(1 - fraction) * min))))
        })
      }
    }
  }

  /** Takes a learned variance apart from the prediction. */
  #split(
    modelOutput: Tensor<"float32">,
    sample: Tensor<"float32">,
  ): { readonly output: Float32Array; readonly variance?: Float32Array } {
    if (!this.#learnsVariance) {
      checkSameShape("modelOutput", modelOutput, "sample", sample)
      return { output: modelOutput.data }
    }
    const [batchSize = 1, channels = 1, ...sides] = sample.shape
    const doubled = [batchSize, 2 * channels, ...sides]
    checkSameShape("modelOutput", modelOutput, "a prediction with its variance", {
      ...sample,
      shape: doubled,
    })
    const size = elementCount([channels, ...sides])
    const output = new Float32Array(sample.data.length)
    const variance = new Float32Array(sample.data.length)
    for (let b = 0; b < batchSize; b++) {
      output.set(modelOutput.data.subarray(2 * b * size, (2 * b + 1) * size), b * size)
      variance.set(modelOutput.data.subarray((2 * b + 1) * size, (2 * b + 2) * size), b * size)
    }
    return { output, variance }
  }
}

interface Posterior {
  readonly alphaProd: number
  readonly onOriginal: number
  readonly onSample: number
  readonly lower: number
  readonly upper: number
}
