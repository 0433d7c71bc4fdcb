import { createConfig, defineConfig, key, type ReadConfigOptions, readConfig } from "../config/config.ts"
import { bool, oneOf } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import type { GeneratorInput } from "../random/randn-tensor.ts"
import type { Tensor } from "../tensor.ts"
import type { BetaSchedule } from "./betas.ts"
import { checkSameShape } from "./checks.ts"
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
import { drawNoise } from "./noise.ts"
import { SCHEDULER_FILE } from "./scheduler.ts"

/** The configuration of a {@link DDIMScheduler}. */
export interface DDIMConfig extends DiscreteConfig {
  readonly betaSchedule: Exclude<BetaSchedule, "laplace" | "sigmoid">
  /** Whether ᾱ before the first timestep is 1, and not ᾱ₀. Default true. */
  readonly setAlphaToOne: boolean
}

/** Options of {@link DDIMScheduler.step}. */
export interface DDIMStepOptions {
  /** How much noise a step adds: 0 (the default) is deterministic DDIM, 1 is as much as in DDPM. */
  readonly eta?: number | undefined
  /** Whether to derive the noise anew from the clipped x₀. Default false. */
  readonly useClippedModelOutput?: boolean | undefined
  /** Draws the noise when `eta` is greater than 0. Default: a fresh one with a random seed. */
  readonly generator?: GeneratorInput | undefined
  /** The noise itself, standard normal, shaped like the sample; in place of a generator. */
  readonly varianceNoise?: Tensor<"float32"> | undefined
}

const spec = defineConfig<DDIMConfig>({
  className: "DDIMScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    ...discreteKeys,
    betaSchedule: key(oneOf(["linear", "scaled_linear", "squaredcos_cap_v2"]), "linear"),
    setAlphaToOne: key(bool(), true),
  },
  conflict: discreteConflict,
  compatibleKeys: karrasKeys,
})

/** Denoising diffusion implicit models (Song et al. 2021), as in Diffusers. */
export class DDIMScheduler extends DiscreteScheduler<DDIMConfig> {
  static readonly className: string = spec.className

  /** ᾱ before the first timestep. */
  readonly finalAlphaCumprod: number

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<DDIMConfig> = {}) {
    super(createConfig(spec, config))
    this.finalAlphaCumprod = this.config.setAlphaToOne ? 1 : this.alphasCumprod[0]!
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<DDIMConfig> = {},
    options: ReadConfigOptions = {},
  ): DDIMScheduler {
    return new DDIMScheduler(readConfig(spec, config, overrides, options))
  }

  /**
   * Sets the timesteps that sampling visits, spaced as configured.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  setTimesteps(numInferenceSteps: number): void {
    this.setSpacedTimesteps(numInferenceSteps)
  }

  /**
   * One step from `timestep` to `timestep` − ⌊T/N⌋, formulas 12 and 16 of the paper:
   * x' = √ᾱ'·x₀ + √(1−ᾱ'−σ²)·ε + σ·z with σ = η·√((1−ᾱ')/(1−ᾱ)·(1−ᾱ/ᾱ')). No noise is drawn when η is 0.
   *
   * @param modelOutput - What `predictionType` says.
   * @param timestep - One of `timesteps`.
   * @throws InputError `NOT_SET_UP`, `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  step(
    modelOutput: Tensor<"float32">,
    timestep: number,
    sample: Tensor<"float32">,
    options: DDIMStepOptions = {},
  ): DenoisingStep {
    const { eta = 0, useClippedModelOutput = false, generator, varianceNoise } = options
    checkSameShape("modelOutput", modelOutput, "sample", sample)
    const { alphaProd, onOriginal, onEpsilon, std } = this.#coefficients(timestep, eta)
    const original = this.predictOriginal(modelOutput.data, sample, alphaProd)
    const epsilon = this.#epsilon(modelOutput.data, original, sample.data, alphaProd, useClippedModelOutput)
    const data = new Float32Array(original.length)
    for (let i = 0; i < data.length; i++) {
      data[i] = f32(onOriginal * original[i]!) + f32(onEpsilon * epsilon[i]!)
    }
    if (eta > 0) {
      const noise = drawNoise(sample, { generator, noise: varianceNoise }).data
      for (let i = 0; i < data.length; i++) data[i] = data[i]! + f32(std * noise[i]!)
    }
    return {
      prevSample: { dtype: "float32", shape: sample.shape, data },
      predOriginalSample: { dtype: "float32", shape: sample.shape, data: original },
    }
  }

  /**
   * The numbers of {@link step} at `timestep`; undefined where it isn't made of sums: with dynamic thresholding.
   *
   * @throws InputError `NOT_SET_UP`, `INVALID_ARGUMENT`
   */
  linearStep(
    timestep: number,
    { eta = 0, useClippedModelOutput = false }: Pick<DDIMStepOptions, "eta" | "useClippedModelOutput"> = {},
  ): LinearStep | undefined {
    if (this.config.thresholding) return undefined
    const { alphaProd, onOriginal, onEpsilon, std } = this.#coefficients(timestep, eta)
    const [signal, noise] = [Math.sqrt(alphaProd), Math.sqrt(1 - alphaProd)]
    const original = this.originalAsSum(alphaProd)
    const onNoise = eta > 0 ? std : undefined
    if (useClippedModelOutput) {
      // ε is (x − √ᾱ·x₀)/√(1−ᾱ).
      const onSample = onEpsilon / noise
      return { onSample, onOutput: 0, onOriginal: onOriginal - onSample * signal, ...original, onNoise }
    }
    // The same of x₀ before it is clamped.
    const { originalOnSample, originalOnOutput } = original
    return {
      onSample: (onEpsilon * (1 - signal * originalOnSample)) / noise,
      onOutput: (onEpsilon * -signal * originalOnOutput) / noise,
      onOriginal,
      ...original,
      onNoise,
    }
  }

  #coefficients(timestep: number, eta: number): DdimCoefficients {
    if (this.numInferenceSteps === null) {
      throw new InputError("NOT_SET_UP", "The scheduler has no number of steps.", {
        hint: "Call setTimesteps first.",
      })
    }
    const prev = timestep - Math.floor(this.length / this.numInferenceSteps)
    const alphaProd = this.alphaProdAt(timestep)
    const alphaProdPrev = prev >= 0 ? this.alphaProdAt(prev) : this.finalAlphaCumprod
    const betaProd = f32(1 - alphaProd)
    const betaProdPrev = f32(1 - alphaProdPrev)

    const variance = f32(f32(betaProdPrev / betaProd) * f32(1 - f32(alphaProd / alphaProdPrev)))
    const std = f32(f32(eta) * f32(Math.sqrt(variance)))
    const remaining = f32(betaProdPrev - f32(std * std))
    if (!(eta >= 0 && remaining >= 0)) {
      throw new InputError("INVALID_ARGUMENT", `eta is ${eta}, but must lie in [0, 1].`)
    }
    return {
      alphaProd,
      onOriginal: f32(Math.sqrt(alphaProdPrev)),
      onEpsilon: f32(Math.sqrt(remaining)),
      std,
    }
  }

  /** The noise that the network predicts. Unless it is derived anew, clipping x₀ does not change it. */
  #epsilon(
    output: Float32Array,
    original: Float32Array,
    x: Float32Array,
    alphaProd: number,
    useClipped: boolean,
  ): Float32Array {
    const { predictionType } = this.config
    if (predictionType === "epsilon" && !useClipped) return output

    const signal = f32(Math.sqrt(alphaProd))
    const noise = f32(Math.sqrt(f32(1 - alphaProd)))
    if (predictionType === "v_prediction" && !useClipped) {
      return output.map((v, i) => f32(signal * v) + f32(noise * x[i]!))
    }
    const source = useClipped ? original : output
    return source.map((x0, i) => f32(x[i]! - f32(signal * x0)) / noise)
  }
}

interface DdimCoefficients {
  readonly alphaProd: number
  readonly onOriginal: number
  readonly onEpsilon: number
  readonly std: number
}
