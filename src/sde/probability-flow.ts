import { throwIfAborted } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { type Rk45Options, rk45, solveTogether } from "./rk45.ts"

/** How a probability-flow ODE is solved. */
export interface FlowSettings {
  /** The relative tolerance of a step's error. Default 1e-5. */
  readonly rtol?: number | undefined
  /** The absolute tolerance of a step's error. Default 1e-5. */
  readonly atol?: number | undefined
  /** The most steps to try before giving up. Default 100,000. */
  readonly maxSteps?: number | undefined
  /**
   * Whether all samples take the same steps, as in score_sde, or each its own, so that none depends on its batch.
   * Default "batch".
   */
  readonly stepSize?: "batch" | "sample" | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after every evaluation of the network. */
  readonly onProgress?: ((progress: FlowProgress) => void) | undefined
}

/** How far a solver has come. */
export interface FlowProgress {
  /** The time that all samples have reached. */
  readonly t: number
  /** Where it started. */
  readonly from: number
  /** Where it is going. */
  readonly to: number
  /** Evaluations of the network so far, in this solution. */
  readonly nfe: number
}

/** The drift of a flow, and where asked, something that is summed up along the way. */
export interface FlowSlope {
  readonly drift: Tensor<"float32">
  /** One number for each sample. */
  readonly integrand?: ArrayLike<number> | undefined
}

/** Where a flow has led. */
export interface FlowEnd {
  readonly x: Tensor<"float32">
  /** The integral of the integrand over time, one number for each sample. */
  readonly integral: Float64Array
  /** Evaluations of the network. */
  readonly nfe: number
}

/**
 * Follows dx/dt = drift(x, t) between two times. The state is carried in float64; the network sees it in float32.
 *
 * @param integrates - Whether `slope` gives an integrand. It takes part in the error that sets the steps.
 */
export async function followFlow(
  slope: (x: Tensor<"float32">, t: Float32Array) => Promise<FlowSlope>,
  x: Tensor<"float32">,
  [from, to]: readonly [from: number, to: number],
  settings: FlowSettings,
  integrates = false,
): Promise<FlowEnd> {
  const { rtol = 1e-5, atol = 1e-5, maxSteps, stepSize = "batch", signal, onProgress } = settings
  const options: Rk45Options = { rtol, atol, maxSteps }
  const samples = x.shape[0] ?? 1
  const size = x.data.length / samples
  const together = stepSize === "batch" ? samples : 1
  const extra = integrates ? together : 0
  let nfe = 0

  const solvers = Array.from({ length: samples / together }, (_, group) => {
    const y0 = new Float64Array(together * size + extra)
    y0.set(x.data.subarray(group * together * size, (group + 1) * together * size))
    return rk45(from, to, y0, options)
  })
  const solutions = await solveTogether(solvers, async points => {
    throwIfAborted(signal)
    const data = new Float32Array(x.data.length)
    const t = new Float32Array(samples)
    points.forEach((point, group) => {
      data.set(point.y.subarray(0, together * size), group * together * size)
      t.fill(point.t, group * together, (group + 1) * together)
    })
    const { drift, integrand = [] } = await slope({ dtype: "float32", shape: x.shape, data }, t)
    nfe++
    const behind = from < to ? Math.min : Math.max
    onProgress?.({ t: behind(...points.map(point => point.reached)), from, to, nfe })
    return points.map((_, group) => {
      const first = group * together
      const dy = new Float64Array(together * size + extra)
      dy.set(drift.data.subarray(first * size, (first + together) * size))
      for (let b = 0; b < extra; b++) dy[together * size + b] = integrand[first + b]!
      return dy
    })
  })

  const end = new Float32Array(x.data.length)
  const integral = new Float64Array(samples)
  solutions.forEach(({ y }, group) => {
    end.set(y.subarray(0, together * size), group * together * size)
    integral.set(y.subarray(together * size), group * together)
  })
  return { x: { dtype: "float32", shape: x.shape, data: end }, integral, nfe }
}
