import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import type { Discretization, DriftAndDiffusion, ScoreFunction, SDE } from "./sde.ts"

/**
 * An {@link SDE} backwards in time: dx = [f − c·g²·∇ₓ log pₜ(x)]dt + g·dw̄ with c = 1; for the probability-flow ODE
 * c = ½ and no noise (Song et al. 2021, equations 6 and 13).
 */
export class ReverseSDE {
  readonly T: number
  readonly N: number
  readonly probabilityFlow: boolean
  readonly #forward: SDE
  readonly #score: ScoreFunction

  constructor(forward: SDE, score: ScoreFunction, probabilityFlow: boolean) {
    this.T = forward.T
    this.N = forward.N
    this.probabilityFlow = probabilityFlow
    this.#forward = forward
    this.#score = score
  }

  /** The drift and the diffusion at t. Time still counts forwards: steps have a negative dt. */
  async sde(x: Tensor<"float32">, t: Float32Array): Promise<DriftAndDiffusion> {
    const { drift, diffusion } = this.#forward.sde(x, t)
    return {
      drift: weightedSum([1, drift], [this.#onScore(diffusion), await this.#score(x, t)]),
      diffusion: this.#noise(diffusion),
    }
  }

  /** The step backwards: xᵢ₋₁ = xᵢ − f + G·z. */
  async discretize(x: Tensor<"float32">, t: Float32Array): Promise<Discretization> {
    const { f, G } = this.#forward.discretize(x, t)
    return { f: weightedSum([1, f], [this.#onScore(G), await this.#score(x, t)]), G: this.#noise(G) }
  }

  #onScore(g: Float32Array): Float32Array {
    const c = this.probabilityFlow ? 0.5 : 1
    return g.map(value => -c * value ** 2)
  }

  #noise(g: Float32Array): Float32Array {
    return this.probabilityFlow ? new Float32Array(g.length) : g
  }
}
