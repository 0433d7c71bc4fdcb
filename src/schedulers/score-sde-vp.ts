import { createConfig, defineConfig, key, type ReadConfigOptions, readConfig } from "../config/config.ts"
import { float, int } from "../config/kinds.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { checkCount, checkSameShape, type PerSample, perSample } from "./checks.ts"
import { f32, linspace } from "./float32.ts"
import { type LinearStep, standstill } from "./linear-step.ts"
import { drawNoise, type NoiseOptions } from "./noise.ts"
import { MAX_TIMESTEPS, SCHEDULER_FILE, Scheduler } from "./scheduler.ts"
import type { SdeStep } from "./score-sde-ve.ts"

/** The configuration of a {@link ScoreSdeVpScheduler}. */
export interface ScoreSdeVpConfig {
  /** Noise levels at training. Default 2000. */
  readonly numTrainTimesteps: number
  /** β at time 0. Default 0.1. */
  readonly betaMin: number
  /** β at time 1. Default 20. */
  readonly betaMax: number
  /** The time at which sampling ends, in (0, 1). Default 1e-3. */
  readonly samplingEps: number
}

const spec = defineConfig<ScoreSdeVpConfig>({
  className: "ScoreSdeVpScheduler",
  fileName: SCHEDULER_FILE,
  keys: {
    numTrainTimesteps: key(int({ min: 1, max: MAX_TIMESTEPS }), 2000),
    betaMin: key(float({ min: 0 }), 0.1),
    betaMax: key(float({ above: 0 }), 20n),
    samplingEps: key(float({ above: 0, below: 1 }), 1e-3),
  },
  conflict: ({ betaMin, betaMax }) =>
    betaMin <= betaMax ? undefined : { key: "betaMin", allowed: `at most beta_max, ${betaMax}` },
})

/**
 * The Euler–Maruyama sampler of the variance-preserving SDE dx = −½β(t)x dt + √β(t) dw with β(t) linear in t
 * (Song et al. 2021, appendix B and D.1), as in Diffusers.
 *
 * Diffusers leaves the time label to the caller; the original models take 999·t.
 */
export class ScoreSdeVpScheduler extends Scheduler<ScoreSdeVpConfig> {
  static readonly className: string = spec.className

  readonly initNoiseSigma: number = 1
  /** From 1 down to `samplingEps`; empty before {@link setTimesteps}. */
  timesteps: Float32Array = new Float32Array(0)
  /** Null, as in Diffusers: the SDE is continuous. */
  readonly sigmas: null = null
  /** Null, as in Diffusers. */
  readonly discreteSigmas: null = null

  /** @throws ConfigError `INVALID_VALUE` */
  constructor(config: Partial<ScoreSdeVpConfig> = {}) {
    super(createConfig(spec, config))
  }

  /**
   * A scheduler with the configuration of a parsed `scheduler_config.json` or of another scheduler.
   *
   * @throws ConfigError `INVALID_VALUE`
   */
  static fromConfig(
    config: object,
    overrides: Partial<ScoreSdeVpConfig> = {},
    options: ReadConfigOptions = {},
  ): ScoreSdeVpScheduler {
    return new ScoreSdeVpScheduler(readConfig(spec, config, overrides, options))
  }

  get compatibles(): readonly string[] {
    return [spec.className]
  }

  /**
   * Sets the times of `numInferenceSteps` sampling steps.
   *
   * @throws InputError `INVALID_ARGUMENT`
   */
  setTimesteps(numInferenceSteps: number): void {
    checkCount("numInferenceSteps", numInferenceSteps, 1, MAX_TIMESTEPS)
    this.timesteps = linspace(1, this.config.samplingEps, numInferenceSteps)
  }

  /**
   * One Euler–Maruyama step of length 1/N against time.
   *
   * @param modelOutput - The network's output: a prediction of the noise, and hence −std(t) times the score.
   * @param x - The sample at time `t`.
   * @param t - One of `timesteps`, in (0, 1], or one for each sample.
   * @throws InputError `NOT_SET_UP`, `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
   */
  stepPred(
    modelOutput: Tensor<"float32">,
    x: Tensor<"float32">,
    t: PerSample,
    options: NoiseOptions = {},
  ): SdeStep {
    checkSameShape("modelOutput", modelOutput, "x", x)
    const batchSize = x.shape[0] ?? 1
    const coefficients = perSample("t", t, batchSize).map(time => this.#coefficients(time))
    const noise = drawNoise(x, options).data

    const [output, sample] = [modelOutput.data, x.data]
    const mean = new Float32Array(sample.length)
    const prev = new Float32Array(sample.length)
    const dt = f32(-1 / this.timesteps.length)
    const size = sample.length / batchSize
    for (let b = 0, i = 0; b < batchSize; b++) {
      const { std, halfBeta, diffusion2, noiseScale } = coefficients[b]!
      for (const end = i + size; i < end; i++) {
        const score = f32(-output[i]! / std)
        const drift = f32(f32(-halfBeta * sample[i]!) - f32(diffusion2 * score))
        const m = f32(sample[i]! + f32(drift * dt))
        mean[i] = m
        prev[i] = m + f32(noiseScale * noise[i]!)
      }
    }
    return {
      prevSample: { dtype: "float32", shape: x.shape, data: prev },
      prevSampleMean: { dtype: "float32", shape: x.shape, data: mean },
    }
  }

  /**
   * The numbers of {@link stepPred} at `t`.
   *
   * @throws InputError `NOT_SET_UP`, `INVALID_ARGUMENT`
   */
  linearStep(t: number): LinearStep {
    const { std, halfBeta, diffusion2, noiseScale } = this.#coefficients(t)
    const dt = -1 / this.timesteps.length
    return {
      ...standstill,
      onSample: 1 - halfBeta * dt,
      onOutput: (diffusion2 / std) * dt,
      onNoise: noiseScale,
    }
  }

  #coefficients(time: number): VpCoefficients {
    if (this.timesteps.length === 0) {
      throw new InputError("NOT_SET_UP", "The scheduler has no timesteps.", {
        hint: "Call setTimesteps first.",
      })
    }
    const t = f32(time)
    const { betaMin, betaMax } = this.config
    const range = f32(betaMax - betaMin)
    const logMean = f32(f32(f32(-0.25 * f32(t * t)) * range) - f32(f32(0.5 * t) * f32(betaMin)))
    const beta = f32(f32(betaMin) + f32(t * range))
    const diffusion = f32(Math.sqrt(beta))
    const std = f32(Math.sqrt(f32(1 - f32(Math.exp(f32(2 * logMean))))))
    if (!(t > 0 && t <= 1 && std > 0)) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `t is ${time}, but must lie in (0, 1], with noise at that time.`,
      )
    }
    return {
      std,
      halfBeta: f32(0.5 * beta),
      diffusion2: f32(diffusion * diffusion),
      noiseScale: f32(diffusion * f32(Math.sqrt(1 / this.timesteps.length))),
    }
  }
}

interface VpCoefficients {
  /** Standard deviation of x(t) given x(0). */
  readonly std: number
  readonly halfBeta: number
  readonly diffusion2: number
  readonly noiseScale: number
}
