import { InputError } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { linspace, roundHalfToEven } from "../schedulers/float32.ts"
import type { Tensor } from "../tensor.ts"
import { gaussianLogp, weightedSum, zerosLike } from "./batch.ts"
import { type Conditioning, type Discretization, type DriftAndDiffusion, type Gaussian, SDE } from "./sde.ts"

/** Options of {@link VESDE}. */
export interface VESDEOptions {
  /** The least noise level. Greater than 0. Default 0.01. */
  readonly sigmaMin?: number | undefined
  /** The greatest noise level, about the largest distance between two training samples. Default 50. */
  readonly sigmaMax?: number | undefined
  /** The number of steps. Default 1000. */
  readonly N?: number | undefined
  /** The time at which sampling ends by default. Default 1e-5. */
  readonly samplingEps?: number | undefined
}

/**
 * The variance-exploding SDE dx = √(dσ²/dt) dw with σ(t) = σmin·(σmax/σmin)ᵗ, the limit of SMLD
 * (Song et al. 2021, appendix C).
 */
export class VESDE extends SDE {
  override readonly name: string = "VESDE"
  readonly sigmaMin: number
  readonly sigmaMax: number
  override readonly samplingEps: number
  /** σᵢ of the chain, ascending in equal ratios; float32. */
  readonly discreteSigmas: Float32Array

  /** @throws InputError `INVALID_ARGUMENT` */
  constructor({ sigmaMin = 0.01, sigmaMax = 50, N, samplingEps = 1e-5 }: VESDEOptions = {}) {
    super(N)
    this.samplingEps = samplingEps
    if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Number.POSITIVE_INFINITY)) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `sigmaMin is ${sigmaMin} and sigmaMax ${sigmaMax}, but 0 < sigmaMin < sigmaMax must hold.`,
      )
    }
    this.sigmaMin = sigmaMin
    this.sigmaMax = sigmaMax
    this.discreteSigmas = linspace(Math.log(sigmaMin), Math.log(sigmaMax), this.N).map(Math.exp)
  }

  /** σ(t). */
  sigma(t: number): number {
    return this.sigmaMin * (this.sigmaMax / this.sigmaMin) ** t
  }

  sde(x: Tensor<"float32">, t: Float32Array): DriftAndDiffusion {
    const growth = Math.sqrt(2 * Math.log(this.sigmaMax / this.sigmaMin))
    return { drift: zerosLike(x), diffusion: t.map(time => this.sigma(time) * growth) }
  }

  marginalProb(x: Tensor<"float32">, t: Float32Array): Gaussian {
    return { mean: x, std: t.map(time => this.sigma(time)) }
  }

  priorSampling(shape: readonly number[], generator: RandomGenerator): Tensor<"float32"> {
    return weightedSum([this.sigmaMax, generator.randn(shape)])
  }

  priorLogp(z: Tensor<"float32">): Float64Array {
    return gaussianLogp(z, this.sigmaMax)
  }

  /** The chain of SMLD: xᵢ = xᵢ₋₁ + √(σᵢ² − σᵢ₋₁²)·z, with no noise before the first. */
  override discretize(x: Tensor<"float32">, t: Float32Array): Discretization {
    const G = t.map(time => {
      const [sigma, adjacent] = this.#adjacentSigmas(time)
      return Math.sqrt(sigma ** 2 - adjacent ** 2)
    })
    return { f: zerosLike(x), G }
  }

  /** Song et al. 2021, appendix F. */
  override ancestral(x: Tensor<"float32">, t: Float32Array, score: Tensor<"float32">): Gaussian {
    const sigmas = Array.from(t, time => this.#adjacentSigmas(time))
    return {
      mean: weightedSum([1, x], [sigmas.map(([sigma, adjacent]) => sigma ** 2 - adjacent ** 2), score]),
      std: Float32Array.from(
        sigmas,
        ([sigma, adjacent]) => (adjacent / sigma) * Math.sqrt(sigma ** 2 - adjacent ** 2),
      ),
    }
  }

  override langevinAlpha(t: Float32Array): Float32Array {
    return t.map(() => 1)
  }

  /** The network returns the score itself. Its label is σ(t), or an index that counts from the largest σ down. */
  override conditioning(t: Float32Array, continuous: boolean): Conditioning {
    const label = continuous
      ? (time: number) => this.sigma(time)
      : (time: number) => roundHalfToEven(Math.fround(1 - time) * (this.N - 1))
    return { labels: t.map(label), outputScale: t.map(() => 1) }
  }

  override timeAt(sigma: number): number {
    this.checkSigma(sigma)
    const t = Math.log(sigma / this.sigmaMin) / Math.log(this.sigmaMax / this.sigmaMin)
    return Math.min(Math.max(t, 0), 1)
  }

  /** σᵢ and σᵢ₋₁. */
  #adjacentSigmas(t: number): readonly [number, number] {
    const i = this.tableIndex(t)
    return [this.discreteSigmas[i]!, i === 0 ? 0 : this.discreteSigmas[i - 1]!]
  }
}
