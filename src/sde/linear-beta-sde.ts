import { InputError } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { linspace } from "../schedulers/float32.ts"
import type { Tensor } from "../tensor.ts"
import { gaussianLogp, weightedSum } from "./batch.ts"
import { SdeError } from "./errors.ts"
import { type DriftAndDiffusion, type Gaussian, SDE } from "./sde.ts"

/** Options of {@link VPSDE} and {@link SubVPSDE}. */
export interface LinearBetaOptions {
  /** β at time 0. Default 0.1. */
  readonly betaMin?: number | undefined
  /** β at time 1. Default 20. */
  readonly betaMax?: number | undefined
  /** The number of steps. Default 1000. */
  readonly N?: number | undefined
  /** The time at which sampling ends by default. Default 1e-3. */
  readonly samplingEps?: number | undefined
}

/** What VP and sub-VP share: the drift −½β(t)x with β(t) = betaMin + t·(betaMax − betaMin), and N(0, I) at the end. */
export abstract class LinearBetaSDE extends SDE {
  readonly betaMin: number
  readonly betaMax: number
  override readonly samplingEps: number
  /** βᵢ of the chain, ascending; float32. */
  readonly discreteBetas: Float32Array

  /** @throws InputError `INVALID_ARGUMENT` */
  constructor({ betaMin = 0.1, betaMax = 20, N, samplingEps = 1e-3 }: LinearBetaOptions = {}) {
    super(N)
    this.samplingEps = samplingEps
    if (!(betaMin >= 0 && betaMin <= betaMax && betaMax > 0 && betaMax < Number.POSITIVE_INFINITY)) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `betaMin is ${betaMin} and betaMax ${betaMax}, but 0 ≤ betaMin ≤ betaMax and 0 < betaMax must hold.`,
      )
    }
    this.betaMin = betaMin
    this.betaMax = betaMax
    this.discreteBetas = linspace(betaMin / this.N, betaMax / this.N, this.N)
  }

  /** g(t). */
  protected abstract diffusion(t: number): number

  /** The deviation of x(t) given x(0). */
  protected abstract std(t: number): number

  /** β(t). */
  beta(t: number): number {
    return this.betaMin + t * (this.betaMax - this.betaMin)
  }

  sde(x: Tensor<"float32">, t: Float32Array): DriftAndDiffusion {
    const drift = weightedSum([t.map(time => -0.5 * this.beta(time)), x])
    return { drift, diffusion: t.map(time => this.diffusion(time)) }
  }

  marginalProb(x: Tensor<"float32">, t: Float32Array): Gaussian {
    const scale = t.map(time => Math.exp(-0.5 * this.integral(time)))
    return { mean: weightedSum([scale, x]), std: t.map(time => this.std(time)) }
  }

  priorSampling(shape: readonly number[], generator: RandomGenerator): Tensor<"float32"> {
    return generator.randn(shape)
  }

  priorLogp(z: Tensor<"float32">): Float64Array {
    return gaussianLogp(z, 1)
  }

  /** αᵢ = 1 − βᵢ of the step (not their product, as the paper's text suggests: score_sde's practice). */
  override langevinAlpha(t: Float32Array): Float32Array {
    return t.map(time => 1 - this.discreteBeta(time))
  }

  /** ∫β from 0 to t. */
  protected integral(t: number): number {
    return this.betaMin * t + 0.5 * (this.betaMax - this.betaMin) * t ** 2
  }

  /** The time up to which ∫β is `integral`. */
  protected inverseIntegral(integral: number): number {
    const { betaMin, betaMax } = this
    if (integral === 0) return 0
    return (2 * integral) / (betaMin + Math.sqrt(betaMin ** 2 + 2 * (betaMax - betaMin) * integral))
  }

  /**
   * 1 − exp(−rate·∫β). Near t = 0 float32 leaves few digits of it; the networks were trained with those, so they are
   * kept.
   */
  protected decay(t: number, rate: number): number {
    return Math.fround(1 - Math.fround(Math.exp(Math.fround(-rate * this.integral(t)))))
  }

  /** βᵢ of the step at time t. */
  protected discreteBeta(t: number): number {
    this.checkChain()
    return this.discreteBetas[this.tableIndex(t)]!
  }

  /** @throws SdeError `UNDEFINED` when N is so small that βᵢ reaches 1. */
  protected checkChain(): void {
    const greatest = this.betaMax / this.N
    if (greatest < 1) return
    throw new SdeError(
      "UNDEFINED",
      `With N = ${this.N} steps the chain of ${this.name} has a β of ${greatest}, but it must stay below 1.`,
      {
        hint: `Take more than ${this.betaMax} steps, or the predictor euler_maruyama without a corrector.`,
      },
    )
  }
}
