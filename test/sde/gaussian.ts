import type { ScoreDivergence } from "../../src/sde/divergence.ts"
import type { ScoreFunction, SDE } from "../../src/sde/sde.ts"
import type { Tensor } from "../../src/tensor.ts"

/** Data whose numbers are all N(mean, std²). */
export interface GaussianData {
  readonly mean: number
  readonly std: number
}

/** Mean and variance of each of those numbers at time t. */
export function gaussianAt(sde: SDE, data: GaussianData, t: number): readonly [number, number] {
  const one: Tensor<"float32"> = { dtype: "float32", shape: [1, 1], data: Float32Array.of(data.mean) }
  const { mean, std } = sde.marginalProb(one, Float32Array.of(t))
  return [mean.data[0]!, (sde.noiseLevel(t).scale * data.std) ** 2 + std[0]! ** 2]
}

/** The exact score of Gaussian data. */
export function gaussianScore(sde: SDE, data: GaussianData): ScoreFunction {
  return async (x, t) => {
    const size = x.data.length / t.length
    const moments = Array.from(t, time => gaussianAt(sde, data, time))
    const score = x.data.map((value, i) => {
      const [mean, variance] = moments[Math.floor(i / size)]!
      return (mean - value) / variance
    })
    return { ...x, data: score }
  }
}

/** That score with its divergence: −‖probe‖²/variance. */
export function gaussianDivergence(sde: SDE, data: GaussianData): ScoreDivergence {
  const score = gaussianScore(sde, data)
  return async (x, t, probe) => {
    const size = x.data.length / t.length
    const divergence = Array.from(t, (time, b) => {
      const part = probe.data.subarray(b * size, (b + 1) * size)
      return -part.reduce((sum, e) => sum + e ** 2, 0) / gaussianAt(sde, data, time)[1]
    })
    return { score: await score(x, t), divergence }
  }
}
