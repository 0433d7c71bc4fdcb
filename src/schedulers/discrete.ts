import { type Conflict, type Key, key } from "../config/config.ts"
import { bool, float, int, list, nullable, oneOf } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { type BetaSchedule, createBetas } from "./betas.ts"
import { checkCount, checkSameShape, type PerSample, perSample } from "./checks.ts"
import { thresholdInPlace } from "./dynamic-threshold.ts"
import { cumulativeProduct, f32 } from "./float32.ts"
import type { LinearStep } from "./linear-step.ts"
import { MAX_TIMESTEPS, Scheduler } from "./scheduler.ts"
import { spacedTimesteps, type TimestepSpacing } from "./timestep-spacing.ts"

/** What a network predicts: the noise ε, the clean sample x₀, or v = √ᾱ·ε − √(1−ᾱ)·x₀. */
export type PredictionType = "epsilon" | "sample" | "v_prediction"

/** The configuration that the schedulers of discrete diffusions (DDPM, DDIM) share. */
export interface DiscreteConfig {
  /** Timesteps at training. Default 1000. */
  readonly numTrainTimesteps: number
  /** The first β. Default 0.0001. */
  readonly betaStart: number
  /** The last β. Default 0.02. */
  readonly betaEnd: number
  /** How β goes from the first to the last. Default "linear". */
  readonly betaSchedule: BetaSchedule
  /** The βs themselves, in place of a schedule. */
  readonly trainedBetas: readonly number[] | null
  /** Whether to clamp the predicted x₀. Default true. */
  readonly clipSample: boolean
  /** What the network predicts. Default "epsilon". */
  readonly predictionType: PredictionType
  /** Whether to use dynamic thresholding; it goes before `clipSample`. Default false. */
  readonly thresholding: boolean
  /** The quantile of dynamic thresholding. Default 0.995. */
  readonly dynamicThresholdingRatio: number
  /** Where `clipSample` clamps. Default 1. */
  readonly clipSampleRange: number
  /** The greatest threshold of dynamic thresholding. Default 1. */
  readonly sampleMaxValue: number
  /** Which timesteps sampling visits. Default "leading". */
  readonly timestepSpacing: TimestepSpacing
  /** Added to the timesteps of "leading". Default 0. */
  readonly stepsOffset: number
  /** Whether the βs are changed so that the last timestep is pure noise. Default false. */
  readonly rescaleBetasZeroSnr: boolean
}

/** What a step of DDPM and DDIM returns. */
export interface DenoisingStep {
  /** The sample of the next, smaller timestep. */
  readonly prevSample: Tensor<"float32">
  /** The clean sample that the network predicts, clipped or thresholded. */
  readonly predOriginalSample: Tensor<"float32">
}

/** The keys of {@link DiscreteConfig}. */
export const discreteKeys: {
  readonly [K in Exclude<keyof DiscreteConfig, "betaSchedule">]: Key<DiscreteConfig[K]>
} = {
  numTrainTimesteps: key(int({ min: 1, max: MAX_TIMESTEPS }), 1000),
  betaStart: key(float({ min: 0, max: 1 }), 0.0001),
  betaEnd: key(float({ min: 0, max: 1 }), 0.02),
  trainedBetas: key(
    nullable(list(float({ min: 0, max: 1 }), { minLength: 1, maxLength: MAX_TIMESTEPS })),
    null,
  ),
  clipSample: key(bool(), true),
  predictionType: key(oneOf(["epsilon", "sample", "v_prediction"]), "epsilon"),
  thresholding: key(bool(), false),
  dynamicThresholdingRatio: key(float({ min: 0, max: 1 }), 0.995),
  clipSampleRange: key(float({ above: 0 }), 1),
  sampleMaxValue: key(float({ above: 0 }), 1),
  timestepSpacing: key(oneOf(["linspace", "leading", "trailing"]), "leading"),
  stepsOffset: key(int({ min: 0, max: MAX_TIMESTEPS }), 0),
  rescaleBetasZeroSnr: key(bool(), false),
}

/** Trained βs must be there for every timestep. */
export function discreteConflict({
  trainedBetas,
  numTrainTimesteps,
}: DiscreteConfig): Conflict<DiscreteConfig> | undefined {
  if (trainedBetas === null || trainedBetas.length >= numTrainTimesteps) return undefined
  return { key: "trainedBetas", allowed: `at least as long as num_train_timesteps, ${numTrainTimesteps}` }
}

/** The part of DDPM and DDIM that is the same: the noise levels and what follows from them. */
export abstract class DiscreteScheduler<Config extends DiscreteConfig> extends Scheduler<Config> {
  readonly initNoiseSigma: number = 1
  /** βₜ, the variance that timestep t adds. */
  readonly betas: Float32Array
  /** αₜ = 1 − βₜ. */
  readonly alphas: Float32Array
  /** ᾱₜ, the product of α₀ … αₜ. */
  readonly alphasCumprod: Float32Array
  /** The timesteps that sampling visits, descending; all of them before `setTimesteps`. */
  timesteps: Int32Array
  /** The number of sampling steps; null before `setTimesteps`. */
  numInferenceSteps: number | null = null

  protected constructor(config: Readonly<Config>) {
    super(config)
    this.betas = createBetas(config)
    this.alphas = this.betas.map(beta => 1 - beta)
    this.alphasCumprod = cumulativeProduct(this.alphas)
    this.timesteps = Int32Array.from({ length: this.length }, (_, i) => this.length - 1 - i)
  }

  /**
   * The scheduler classes that read this configuration, keys that only another of them knows included. They need
   * not accept every value: DDIM has no "sigmoid" schedule, for one.
   */
  get compatibles(): readonly string[] {
    return ["DDIMScheduler", "DDPMScheduler"]
  }

  /**
   * Training data at a timestep: √ᾱₜ·x + √(1−ᾱₜ)·ε.
   *
   * @param timesteps - One for all samples, or one for each.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  addNoise(
    originalSamples: Tensor<"float32">,
    noise: Tensor<"float32">,
    timesteps: PerSample,
  ): Tensor<"float32"> {
    checkSameShape("noise", noise, "originalSamples", originalSamples)
    return this.#rotate(originalSamples, noise, timesteps)
  }

  /**
   * What a network with `predictionType` "v_prediction" learns: √ᾱₜ·ε − √(1−ᾱₜ)·x.
   *
   * @param timesteps - One for all samples, or one for each.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  getVelocity(sample: Tensor<"float32">, noise: Tensor<"float32">, timesteps: PerSample): Tensor<"float32"> {
    checkSameShape("noise", noise, "sample", sample)
    return this.#rotate(noise, sample, timesteps, -1)
  }

  protected setSpacedTimesteps(numInferenceSteps: number): void {
    const { timestepSpacing, stepsOffset } = this.config
    checkCount("numInferenceSteps", numInferenceSteps, 1, this.length)
    const timesteps = spacedTimesteps(timestepSpacing, this.length, numInferenceSteps, stepsOffset)
    if (timesteps[0]! >= this.length) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `With ${numInferenceSteps} steps and a steps_offset of ${stepsOffset}, sampling would start at timestep ` +
          `${timesteps[0]}, but the last one is ${this.length - 1}.`,
        { hint: "Take fewer steps." },
      )
    }
    this.timesteps = timesteps
    this.numInferenceSteps = numInferenceSteps
  }

  protected alphaProdAt(timestep: number): number {
    checkCount("The timestep", timestep, 0, this.alphasCumprod.length - 1)
    return this.alphasCumprod[timestep]!
  }

  /** The clean sample that the network's output stands for, clipped or thresholded as configured. */
  protected predictOriginal(
    output: Float32Array,
    sample: Tensor<"float32">,
    alphaProd: number,
  ): Float32Array {
    const config = this.config
    const signal = f32(Math.sqrt(alphaProd))
    const noise = f32(Math.sqrt(f32(1 - alphaProd)))
    const x = sample.data
    const original = new Float32Array(x.length)
    switch (config.predictionType) {
      case "epsilon":
        for (let i = 0; i < x.length; i++) original[i] = f32(x[i]! - f32(noise * output[i]!)) / signal
        break
      case "sample":
        original.set(output)
        break
      case "v_prediction":
        for (let i = 0; i < x.length; i++) original[i] = f32(signal * x[i]!) - f32(noise * output[i]!)
        break
    }
    if (config.thresholding) {
      const { dynamicThresholdingRatio, sampleMaxValue } = config
      thresholdInPlace(original, sample.shape[0] ?? 1, dynamicThresholdingRatio, sampleMaxValue)
    } else if (config.clipSample) {
      const range = f32(config.clipSampleRange)
      for (let i = 0; i < x.length; i++) original[i] = Math.min(Math.max(original[i]!, -range), range)
    }
    return original
  }

  /** Where x₀ is clamped at the same place in every sample: ±`clipSampleRange`, or null where it isn't clamped at all. */
  get clip(): number | null {
    return this.config.clipSample ? f32(this.config.clipSampleRange) : null
  }

  /** What {@link predictOriginal} computes before it clamps. */
  protected originalAsSum(alphaProd: number): Pick<LinearStep, "originalOnSample" | "originalOnOutput"> {
    const signal = Math.sqrt(alphaProd)
    const noise = Math.sqrt(1 - alphaProd)
    switch (this.config.predictionType) {
      case "epsilon":
        return { originalOnSample: 1 / signal, originalOnOutput: -noise / signal }
      case "sample":
        return { originalOnSample: 0, originalOnOutput: 1 }
      case "v_prediction":
        return { originalOnSample: signal, originalOnOutput: -noise }
    }
  }

  /** √ᾱ·a + sign·√(1−ᾱ)·b, with ᾱ of each sample's timestep. */
  #rotate(a: Tensor<"float32">, b: Tensor<"float32">, timesteps: PerSample, sign = 1): Tensor<"float32"> {
    const batchSize = a.shape[0] ?? 1
    const alphaProds = perSample("timesteps", timesteps, batchSize).map(t => this.alphaProdAt(t))
    const size = a.data.length / batchSize
    const data = new Float32Array(a.data.length)
    for (let n = 0, i = 0; n < batchSize; n++) {
      const onA = f32(Math.sqrt(alphaProds[n]!))
      const onB = sign * f32(Math.sqrt(f32(1 - alphaProds[n]!)))
      for (const end = i + size; i < end; i++) data[i] = f32(onA * a.data[i]!) + f32(onB * b.data[i]!)
    }
    return { dtype: "float32", shape: a.shape, data }
  }
}
