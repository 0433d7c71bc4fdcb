import { createConfig, defineConfig, key, type ReadConfigOptions, readConfig } from "../config/config.ts"
import { float, int } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { checkCount, checkSameShape, type PerSample, perSample } from "./checks.ts"
import { f32, linspace } from "./float32.ts"
import { type LinearStep, standstill } from "./linear-step.ts"
import { drawNoise, type NoiseOptions } from "./noise.ts"
import { MAX_TIMESTEPS, SCHEDULER_FILE, Scheduler } from "./scheduler.ts"

/** The configuration of a {@link ScoreSdeVeScheduler}. */
export interface ScoreSdeVeConfig {
  /** Noise levels at training; at least 2. Default 2000. */
  readonly numTrainTimesteps: number
  /** Signal-to-noise ratio of the corrector: the length of its step. Greater than 0. Default 0.15. */
  readonly snr: number
  /** The least noise level; at least 1e-18. Default 0.01. */
  readonly sigmaMin: number
  /** The greatest noise level, about the largest distance between two training samples; at most 1e18. Default 1348. */
  readonly sigmaMax: number
  /** The time at which sampling ends, in [0, 1). Default 1e-5. */
  readonly samplingEps: number
  /** Corrector steps before each predictor step. Default 1. */
  readonly correctSteps: number
}

/** What {@link ScoreSdeVeScheduler.stepPred} and the VP scheduler's return. */
export interface SdeStep {
  /** The sample of the next, smaller noise level. */
  readonly prevSample: Tensor<"float32">
  /** The same before the step's noise was added; the picture, after the last step. */
  readonly prevSampleMean: Tensor<"float32">
}

/** Departures from the configured noise levels. */
export interface SigmaOptions {
  readonly sigmaMin?: number | undefined
  readonly sigmaMax?: number | undefined
  readonly samplingEps?: number | undefined
}

/** Within these, σ² and σmax/σmin are float32 numbers. */
const SIGMA_BOUNDS = { min: 1e-18, max: 1e18 } as const

const spec = defineConfig<ScoreSdeVeConfig>({
  className: "ScoreSdeVeScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    numTrainTimesteps: key(int({ min: 2, max: MAX_TIMESTEPS }), 2000),
    snr: key(float({ above: 0 }), 0.15),
    sigmaMin: key(float(SIGMA_BOUNDS), 0.01),
    sigmaMax: key(float(SIGMA_BOUNDS), 1348),
    samplingEps: key(float({ min: 0, below: 1 }), 1e-5),
    correctSteps: key(int({ min: 0, max: 1000 }), 1),
  },
  conflict: ({ sigmaMin, sigmaMax }) =>
    sigmaMin < sigmaMax ? undefined : { key: "sigmaMin", allowed: `less than sigma_max, ${sigmaMax}` },
})

/**
 * The predictor–corrector sampler of the variance-exploding SDE: reverse diffusion and Langevin steps
 * (Song et al. 2021, "Score-Based Generative Modeling through SDEs", algorithms 2 and 4), as in Diffusers.
 *
 * The model's output is the score ∇ₓ log pₜ(x). One step of sampling at time `timesteps[i]`: the network sees
 * `sigmas[i]`; {@link stepCorrect} `correctSteps` times, then {@link stepPred}.
 */
export class ScoreSdeVeScheduler extends Scheduler<ScoreSdeVeConfig> {
  static readonly className: string = spec.className

  readonly initNoiseSigma: number
  /** From 1 down to `samplingEps`; float32. */
  timesteps: Float32Array = new Float32Array(0)
  /** σ at each of `timesteps`, descending: what the network is given. */
  sigmas: Float32Array = new Float32Array(0)
  /** Noise levels from `sigmaMin` up to `sigmaMax`, in equal ratios: what the steps compute with. */
  discreteSigmas: Float32Array = new Float32Array(0)

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<ScoreSdeVeConfig> = {}) {
    super(createConfig(spec, config))
    this.initNoiseSigma = this.config.sigmaMax
    this.setSigmas(this.config.numTrainTimesteps)
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<ScoreSdeVeConfig> = {},
    options: ReadConfigOptions = {},
  ): ScoreSdeVeScheduler {
    return new ScoreSdeVeScheduler(readConfig(spec, config, overrides, options))
  }

  get compatibles(): readonly string[] {
    return [spec.className]
  }

  /**
   * Sets the times of `numInferenceSteps` sampling steps. Call {@link setSigmas} with the same number after it.
   *
   * @param numInferenceSteps - At least 2: with one step the first and the last noise level would be the same.
   * @throws InputError `INVALID_ARGUMENT`
   */
  setTimesteps(numInferenceSteps: number, samplingEps: number = this.config.samplingEps): void {
    checkCount("numInferenceSteps", numInferenceSteps, 2, MAX_TIMESTEPS)
    if (!(samplingEps >= 0 && samplingEps < 1)) {
      throw new InputError("INVALID_ARGUMENT", `samplingEps is ${samplingEps}, but must lie in [0, 1).`)
    }
    this.timesteps = linspace(1, samplingEps, numInferenceSteps)
  }

  /**
   * Sets `discreteSigmas` for `numInferenceSteps` steps, and `sigmas` for the times that {@link setTimesteps} set.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  setSigmas(numInferenceSteps: number, options: SigmaOptions = {}): void {
    const { sigmaMin = this.config.sigmaMin, sigmaMax = this.config.sigmaMax } = options
    checkCount("numInferenceSteps", numInferenceSteps, 2, MAX_TIMESTEPS)
    const { min, max } = SIGMA_BOUNDS
    if (!(min <= sigmaMin && sigmaMin < sigmaMax && sigmaMax <= max)) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `sigmaMin is ${sigmaMin} and sigmaMax ${sigmaMax}, but ${min} ≤ sigmaMin < sigmaMax ≤ ${max} must hold.`,
      )
    }
    if (this.timesteps.length === 0) this.setTimesteps(numInferenceSteps, options.samplingEps)

    const ratio = f32(sigmaMax / sigmaMin)
    this.sigmas = this.timesteps.map(t => f32(sigmaMin) * f32(ratio ** t))
    this.discreteSigmas = linspace(Math.log(sigmaMin), Math.log(sigmaMax), numInferenceSteps).map(Math.exp)
  }

  /** The noise level below `discreteSigmas[index]`; 0 below the least. */
  getAdjacentSigma(index: number): number {
    return index === 0 ? 0 : this.#sigmaAt(index - 1)
  }

  /**
   * One step of reverse diffusion, from the noise level of `timestep` to the one below it:
   * x' = x + g²·s, x = x' + g·z with g² = σᵢ² − σᵢ₋₁².
   *
   * @param modelOutput - The score at `sample`.
   * @param timestep - One of `timesteps`, or one for each sample.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`; `NOT_SET_UP` when `setTimesteps` and `setSigmas` were
   *   called with different numbers.
   */
  stepPred(
    modelOutput: Tensor<"float32">,
    timestep: PerSample,
    sample: Tensor<"float32">,
    options: NoiseOptions = {},
  ): SdeStep {
    checkSameShape("modelOutput", modelOutput, "sample", sample)
    const batchSize = sample.shape[0] ?? 1
    const diffusions = perSample("timestep", timestep, batchSize).map(t => this.diffusion(t))
    const noise = drawNoise(sample, options).data

    const [score, x] = [modelOutput.data, sample.data]
    const mean = new Float32Array(x.length)
    const prev = new Float32Array(x.length)
    const size = x.length / batchSize
    for (let b = 0, i = 0; b < batchSize; b++) {
      const g = diffusions[b]!
      const g2 = f32(g * g)
      for (const end = i + size; i < end; i++) {
        const m = f32(x[i]! + f32(g2 * score[i]!))
        mean[i] = m
        prev[i] = m + f32(g * noise[i]!)
      }
    }
    return {
      prevSample: { dtype: "float32", shape: sample.shape, data: prev },
      prevSampleMean: { dtype: "float32", shape: sample.shape, data: mean },
    }
  }

  /**
   * The numbers of {@link stepPred} at `timestep`.
   *
   * @throws InputError `INVALID_ARGUMENT`, `NOT_SET_UP`
   */
  linearStep(timestep: number): LinearStep {
    const g = this.diffusion(timestep)
    return { ...standstill, onOutput: f32(g * g), onNoise: g }
  }

  /**
   * One Langevin step at the present noise level: x + ε·s + √(2ε)·z with ε = 2·(snr·‖z‖/‖s‖)², both norms averaged
   * over the batch, so that a sample depends a little on its batch.
   *
   * Where the score is zero, or so small that ε is not finite, Diffusers returns infinities; here the sample is
   * returned unchanged, with the noise drawn all the same.
   *
   * @param modelOutput - The score at `sample`.
   * @throws InputError `SHAPE_MISMATCH`; `INVALID_ARGUMENT` when the score is not finite.
   */
  stepCorrect(
    modelOutput: Tensor<"float32">,
    sample: Tensor<"float32">,
    options: NoiseOptions = {},
  ): { readonly prevSample: Tensor<"float32"> } {
    checkSameShape("modelOutput", modelOutput, "sample", sample)
    const batchSize = sample.shape[0] ?? 1
    const noise = drawNoise(sample, options).data

    const [score, x] = [modelOutput.data, sample.data]
    const scoreNorm = meanNorm(score, batchSize)
    if (!Number.isFinite(scoreNorm)) {
      throw new InputError("INVALID_ARGUMENT", "modelOutput holds NaN or infinite numbers.", {
        hint: "The network failed on this sample; a smaller snr or a network in float32 may help.",
      })
    }
    const length = f32(f32(f32(this.config.snr) * meanNorm(noise, batchSize)) / scoreNorm)
    const stepSize = f32(f32(length * length) * 2)
    const noiseScale = f32(Math.sqrt(f32(stepSize * 2)))
    if (!Number.isFinite(noiseScale)) return { prevSample: sample }
    const prev = new Float32Array(x.length)
    for (let i = 0; i < prev.length; i++) {
      prev[i] = f32(x[i]! + f32(stepSize * score[i]!)) + f32(noiseScale * noise[i]!)
    }
    return { prevSample: { dtype: "float32", shape: sample.shape, data: prev } }
  }

  /**
   * Training data at a noise level: x + σ·z.
   *
   * @param noise - Standard normal; drawn when absent.
   * @param timesteps - Indices into `discreteSigmas` (ascending: 0 is the least noise), not times; one, or one for
   *   each sample.
   * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  addNoise(
    originalSamples: Tensor<"float32">,
    noise: Tensor<"float32"> | undefined,
    timesteps: PerSample,
    options: Omit<NoiseOptions, "noise"> = {},
  ): Tensor<"float32"> {
    const batchSize = originalSamples.shape[0] ?? 1
    const sigmas = perSample("timesteps", timesteps, batchSize).map(index => this.#sigmaAt(index))
    const z = drawNoise(originalSamples, { ...options, noise }).data
    const x = originalSamples.data
    const data = new Float32Array(x.length)
    const size = x.length / batchSize
    for (let b = 0, i = 0; b < batchSize; b++) {
      for (const end = i + size; i < end; i++) data[i] = f32(z[i]! * sigmas[b]!) + x[i]!
    }
    return { dtype: "float32", shape: originalSamples.shape, data }
  }

  /**
   * g of the step at time t. The index truncates as in Diffusers: a large `samplingEps` can move it up by one.
   *
   * @throws InputError `NOT_SET_UP`
   */
  diffusion(t: number): number {
    const count = this.timesteps.length
    if (count !== this.discreteSigmas.length) {
      throw new InputError(
        "NOT_SET_UP",
        `The scheduler has ${count} timesteps, but ${this.discreteSigmas.length} noise levels.`,
        { hint: "Call setTimesteps and then setSigmas with the same number of steps." },
      )
    }
    const index = Math.trunc(f32(f32(t) * (count - 1)))
    const sigma = this.#sigmaAt(index)
    const adjacent = this.getAdjacentSigma(index)
    return f32(Math.sqrt(f32(f32(sigma * sigma) - f32(adjacent * adjacent))))
  }

  #sigmaAt(index: number): number {
    checkCount("The index of a noise level", index, 0, this.discreteSigmas.length - 1)
    return this.discreteSigmas[index]!
  }
}

/** The mean over the batch of each sample's Euclidean norm. */
function meanNorm(data: Float32Array, batchSize: number): number {
  const size = data.length / batchSize
  let total = 0
  for (let b = 0, i = 0; b < batchSize; b++) {
    let squares = 0
    for (const end = i + size; i < end; i++) squares += data[i]! * data[i]!
    total = f32(total + f32(Math.sqrt(squares)))
  }
  return f32(total / batchSize)
}
