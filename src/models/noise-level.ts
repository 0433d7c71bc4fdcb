import type { Value } from "../graph/builder.ts"
import { div, log, mul } from "../graph/ops/elementwise.ts"
import { cast, gather, pad, reshape } from "../graph/ops/shape.ts"
import { waves } from "./waves.ts"

// What score networks make of their label [N]: σ where they were trained on all noise levels by σ, else a step number.

/** sin and cos of 2π·W·ln σ with the fixed frequencies `name.W` of the checkpoint: [N, 2·count]. */
export function gaussianFourierFeatures(name: string, sigma: Value, count: number): Value {
  const frequencies = reshape(sigma.builder.parameter(`${name}.W`, [count]), [1, count])
  // Multiplied in this order: the angles are large, and another order would round them otherwise.
  return waves(mul(mul(column(log(sigma)), frequencies), 2 * Math.PI))
}

/** The transformer's sinusoids (Vaswani et al. 2017), all sines first, of a step that may be fractional: [N, width]. */
export function sinusoidalFeatures(step: Value, width: number): Value {
  const half = Math.floor(width / 2)
  const { fround } = Math
  const spacing = fround(-Math.log(10000) / (half - 1))
  // Each exponent rounded to float32, as the networks were trained: it moves the angle of step 1000 by 1e-5.
  const frequencies = Float32Array.from({ length: half }, (_, k) => Math.exp(fround(k * spacing)))
  const features = waves(mul(column(step), step.builder.constant("float32", [1, half], frequencies)))
  return width % 2 === 0 ? features : pad(features, [0, 0], [0, 1])
}

/** The noise levels of a network that is told them by their number. */
export interface NoiseLevels {
  readonly sigmaMin: number
  readonly sigmaMax: number
  /** How many there are. */
  readonly numScales: number
}

/** The levels as a geometric sequence, the largest first; computed in float64. */
export function descendingSigmas({ sigmaMin, sigmaMax, numScales }: NoiseLevels): Float64Array {
  const [first, last] = [Math.log(sigmaMax), Math.log(sigmaMin)]
  const step = (last - first) / (numScales - 1)
  return Float64Array.from({ length: numScales }, (_, i) => Math.exp(first + i * step))
}

/** The level of each number [N], fractions dropped; number 0 is the largest. */
export function sigmaOf(number: Value, levels: NoiseLevels): Value {
  const table = Float32Array.from(descendingSigmas(levels))
  return gather(number.builder.constant("float32", [table.length], table), levelIndex(number))
}

/** The number of a noise level as an index. */
export function levelIndex(number: Value): Value {
  return cast(number, "int64")
}

/** Every picture of `x` [N, C, H, W] divided by its number of `divisors` [N]. */
export function dividedPerPicture(x: Value, divisors: Value): Value {
  return x.builder.at("score", () => div(x, reshape(divisors, [divisors.shape[0]!, 1, 1, 1])))
}

function column(x: Value): Value {
  return reshape(x, [x.shape[0]!, 1])
}
