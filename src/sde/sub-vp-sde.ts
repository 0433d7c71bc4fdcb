import { LinearBetaSDE } from "./linear-beta-sde.ts"

/**
 * The sub-VP SDE dx = −½β(t)x dt + √(β(t)·(1 − exp(−2∫β))) dw, whose variance stays below that of VP; best for
 * likelihoods (Song et al. 2021, section 3.4). It is the limit of no chain: there is no ancestral sampling.
 */
export class SubVPSDE extends LinearBetaSDE {
  override readonly name: string = "SubVPSDE"

  override timeAt(sigma: number): number {
    this.checkSigma(sigma)
    return Math.min(this.inverseIntegral(2 * Math.asinh(sigma / 2)), 1)
  }

  protected override diffusion(t: number): number {
    return Math.sqrt(this.beta(t) * this.decay(t, 2))
  }

  protected override std(t: number): number {
    return this.decay(t, 1)
  }
}
