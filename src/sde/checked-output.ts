import { checkSameShape } from "../schedulers/checks.ts"
import { checkTensor, type Tensor } from "../tensor.ts"
import { firstNonFinite } from "../weights/finite.ts"
import type { ScoreDivergence } from "./divergence.ts"
import { SdeError } from "./errors.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/** A score at given times, or a denoiser at given noise levels; one for each sample. */
export type Evaluation = (x: Tensor<"float32">, levels: Float32Array) => Promise<Tensor<"float32">>

/**
 * The same function, which throws when its output has another shape than x, or holds NaN or infinities.
 *
 * @param place - Where sampling stands, given the sample's time or noise level; the end of the error's sentence.
 * @throws InputError `INVALID_ARGUMENT` where it is no tensor, `SHAPE_MISMATCH`; SdeError `NOT_FINITE`
 */
export function checkedOutput(evaluate: Evaluation, place: (level: number) => string): Evaluation {
  return async (x, levels) => {
    const output = await evaluate(x, levels)
    requireSound(output, x, levels, place)
    return output
  }
}

/** A score, checked, for solvers that have no numbered steps. */
export function checkedScore(score: ScoreFunction, sde: SDE): ScoreFunction {
  return checkedOutput(score, t => `at ${describeTime(sde, t)}`)
}

/** A score with its divergence, checked. */
export function checkedDivergence(divergence: ScoreDivergence, sde: SDE): ScoreDivergence {
  return async (x, t, probe) => {
    const output = await divergence(x, t, probe)
    requireSound(output.score, x, t, time => `at ${describeTime(sde, time)}`)
    const sample = Array.from(output.divergence).findIndex(value => !Number.isFinite(value))
    if (sample >= 0) {
      throw new SdeError(
        "NOT_FINITE",
        `The divergence of the score is ${output.divergence[sample]} for sample ${sample} at ${describeTime(sde, t[sample]!)}.`,
      )
    }
    return output
  }
}

/** A time and its noise level, for errors. */
export function describeTime(sde: SDE, t: number): string {
  const origin: Tensor<"float32"> = { dtype: "float32", shape: [1, 1], data: new Float32Array(1) }
  const { std } = sde.marginalProb(origin, Float32Array.of(t))
  return `t = ${t.toPrecision(4)}, σ = ${std[0]!.toPrecision(4)}`
}

function requireSound(
  output: Tensor<"float32">,
  x: Tensor<"float32">,
  levels: Float32Array,
  place: (level: number) => string,
): void {
  checkTensor("The network's output", output)
  checkSameShape("The network's output", output, "its input", x)
  const index = firstNonFinite(output.data)
  if (index < 0) return
  const sample = Math.floor(index / (output.data.length / levels.length))
  throw new SdeError(
    "NOT_FINITE",
    `The network returned ${output.data[index]} for sample ${sample} ${place(levels[sample]!)}.`,
    { hint: "Check the model's weights; in half precision large noise levels overflow." },
  )
}
