import { cumulativeProduct, f32 } from "../schedulers/float32.ts"
import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import { type LinearBetaOptions, LinearBetaSDE } from "./linear-beta-sde.ts"
import type { Conditioning, Discretization, Gaussian } from "./sde.ts"

/**
 * The variance-preserving SDE dx = −½β(t)x dt + √β(t) dw, the limit of DDPM (Song et al. 2021, appendix C).
 */
export class VPSDE extends LinearBetaSDE {
  override readonly name: string = "VPSDE"
  /** √(1 − ᾱᵢ) of the chain; float32. */
  readonly sqrt1mAlphasCumprod: Float32Array

  /** @throws InputError `INVALID_ARGUMENT` */
  constructor(options: LinearBetaOptions = {}) {
    super(options)
    const alphasCumprod = cumulativeProduct(this.discreteBetas.map(beta => 1 - beta))
    this.sqrt1mAlphasCumprod = alphasCumprod.map(product => Math.sqrt(f32(1 - product)))
  }

  /** The chain of DDPM: xᵢ = √(1 − βᵢ)·xᵢ₋₁ + √βᵢ·z. */
  override discretize(x: Tensor<"float32">, t: Float32Array): Discretization {
    const betas = t.map(time => this.discreteBeta(time))
    return { f: weightedSum([betas.map(beta => Math.sqrt(1 - beta) - 1), x]), G: betas.map(Math.sqrt) }
  }

  /** The ancestral step of DDPM with variance βᵢ, formula 4 of the paper. */
  override ancestral(x: Tensor<"float32">, t: Float32Array, score: Tensor<"float32">): Gaussian {
    const betas = t.map(time => this.discreteBeta(time))
    return {
      mean: weightedSum(
        [betas.map(beta => 1 / Math.sqrt(1 - beta)), x],
        [betas.map(beta => beta / Math.sqrt(1 - beta)), score],
      ),
      std: betas.map(Math.sqrt),
    }
  }

  /** A network trained on the chain is given t·(N−1), not rounded, and its noise is relative to √(1 − ᾱᵢ). */
  override conditioning(t: Float32Array, continuous: boolean): Conditioning {
    if (continuous) return super.conditioning(t, continuous)
    this.checkChain()
    return {
      labels: t.map(time => time * (this.N - 1)),
      outputScale: t.map(time => -1 / this.sqrt1mAlphasCumprod[this.tableIndex(time)]!),
    }
  }

  override timeAt(sigma: number): number {
    this.checkSigma(sigma)
    return Math.min(this.inverseIntegral(Math.log1p(sigma ** 2)), 1)
  }

  protected override diffusion(t: number): number {
    return Math.sqrt(this.beta(t))
  }

  protected override std(t: number): number {
    return Math.sqrt(this.decay(t, 1))
  }
}
