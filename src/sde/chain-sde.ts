import type { PredictionType } from "../schedulers/discrete.ts"
import type { LinearBetaOptions } from "./linear-beta-sde.ts"
import type { Conditioning } from "./sde.ts"
import { VPSDE } from "./vp-sde.ts"

/** Options of {@link ChainSDE}. */
export interface ChainSDEOptions extends LinearBetaOptions {
  /** ᾱᵢ of the chain that the network was trained on, descending. */
  readonly alphasCumprod: ArrayLike<number>
  /** What the network predicts. */
  readonly predictionType: PredictionType
  /** Whether the network takes whole numbers for its steps only. */
  readonly wholeLabels: boolean
}

/**
 * The VP SDE of a network that was trained on the steps of DDPM's chain. At each time the network is told the step at
 * which the chain has as much noise; between two steps, log σ is interpolated linearly.
 */
export class ChainSDE extends VPSDE {
  /** log σᵢ of the chain, ascending. */
  readonly #logSigmas: Float64Array
  readonly #predictionType: PredictionType
  readonly #wholeLabels: boolean

  constructor({ alphasCumprod, predictionType, wholeLabels, ...options }: ChainSDEOptions) {
    super(options)
    this.#logSigmas = Float64Array.from(alphasCumprod, product => 0.5 * Math.log((1 - product) / product))
    this.#predictionType = predictionType
    this.#wholeLabels = wholeLabels
  }

  override conditioning(t: Float32Array, _continuous: boolean): Conditioning {
    const labels = t.map(time => this.#step(Math.log(this.noiseLevel(time).sigma)))
    const one = { dtype: "float32", shape: [t.length, 1], data: new Float32Array(t.length).fill(1) } as const
    const { mean, std } = this.marginalProb(one, t)
    const signal = mean.data
    switch (this.#predictionType) {
      case "epsilon":
        return { labels, outputScale: std.map(s => -1 / s) }
      case "sample":
        return {
          labels,
          outputScale: std.map((s, b) => signal[b]! / s ** 2),
          inputScale: std.map(s => -1 / s ** 2),
        }
      case "v_prediction":
        return { labels, outputScale: std.map((s, b) => -signal[b]! / s), inputScale: std.map(() => -1) }
    }
  }

  /** Where the chain passes a noise level, within its ends. */
  #step(logSigma: number): number {
    const table = this.#logSigmas
    let [low, high] = [0, table.length - 1]
    if (!(logSigma > table[low]!)) return low
    if (!(logSigma < table[high]!)) return high
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (table[middle]! <= logSigma) low = middle
      else high = middle
    }
    const step = low + (logSigma - table[low]!) / (table[high]! - table[low]!)
    return this.#wholeLabels ? Math.round(step) : step
  }
}
