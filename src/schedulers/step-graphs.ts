import { GraphBuilder, type Value } from "../graph/builder.ts"
import { add, div, max, min, mul, sqrt } from "../graph/ops/elementwise.ts"
import { reduceMean, reduceSumSquare } from "../graph/ops/reduction.ts"
import { cast, gather, reshape, slice } from "../graph/ops/shape.ts"
import type { Graph } from "../graph/types.ts"
import type { LinearStep } from "./linear-step.ts"

// Schedulers' steps as graphs, for samplers whose state stays on a device; see there for the formulas. Names of inputs
// and outputs are the schedulers'.

type PictureShape = readonly [channels: number, height: number, width: number]

function states(builder: GraphBuilder, shape: PictureShape): readonly [Value, Value, Value] {
  const input = (name: string): Value => builder.input(name, "float32", ["batch", ...shape])
  return [input("sample"), input("modelOutput"), input("noise")]
}

/** `ScoreSdeVeScheduler.stepCorrect`: sample, modelOutput, noise [N, C, H, W] → prevSample. */
export function correctorGraph(shape: PictureShape, snr: number): Graph {
  const builder = new GraphBuilder("stepCorrect")
  const [sample, score, noise] = states(builder, shape)
  const meanNorm = (x: Value): Value => reduceMean(sqrt(reduceSumSquare(x, [1, 2, 3])), [0])
  const length = div(mul(meanNorm(noise), snr), meanNorm(score))
  const stepSize = mul(mul(length, length), 2)
  const noiseScale = sqrt(mul(stepSize, 2))
  const moved = add(add(sample, mul(score, stepSize)), mul(noise, noiseScale))
  // Less than the largest number is neither an infinite one nor NaN.
  const finite = builder.apply("Less", [noiseScale, builder.scalar(3.4e38)])[0]!
  return builder.build({ prevSample: builder.apply("Where", [finite, moved, sample])[0]! })
}

/** Numbers in a row of {@link linearStepGraph}'s table. */
export const stepColumns = 7

/** The table of some steps, of each of which the network is told a label. The row behind the last repeats it. */
export function stepTable(
  steps: readonly LinearStep[],
  labels: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const rows = steps.map((step, i) => [
    labels[i]!,
    step.onSample,
    step.onOutput,
    step.onOriginal,
    step.originalOnSample,
    step.originalOnOutput,
    step.onNoise ?? 0,
  ])
  return Float32Array.from([...rows, ...rows.slice(-1)].flat())
}

/**
 * A {@link LinearStep}: sample, modelOutput, noise [N, C, H, W] → prevSample, prevSampleMean; and what the next step
 * needs. `step` [1] is the number of the row of `table` [rows, 7] with this step's numbers; `nextStep` is the one after
 * it, and `nextTimestep` [N] its first column, made of `timestep` [N].
 *
 * @param rows - Those of {@link stepTable}: one more than there are steps.
 * @param clip - Where x₀ is clamped; null where it isn't.
 */
export function linearStepGraph(shape: PictureShape, rows: number, clip: number | null): Graph {
  const builder = new GraphBuilder("step")
  const [sample, output, noise] = states(builder, shape)
  const timestep = builder.input("timestep", "float32", ["batch"])
  const table = builder.input("table", "float32", [rows, stepColumns])
  const step = builder.input("step", "float32", [1])
  const nextStep = add(step, 1)
  const rowAt = (index: Value): Value => gather(table, cast(index, "int32"))
  const row = rowAt(step)
  const column = (index: number): Value => reshape(slice(row, 1, index, index + 1), [1, 1, 1, 1])
  const unclipped = add(mul(sample, column(4)), mul(output, column(5)))
  const original = clip === null ? unclipped : max(min(unclipped, clip), -clip)
  const direct = add(mul(sample, column(1)), mul(output, column(2)))
  const mean = add(direct, mul(original, column(3)))
  return builder.build({
    prevSample: add(mean, mul(noise, column(6))),
    prevSampleMean: mean,
    nextStep,
    nextTimestep: add(mul(timestep, 0), reshape(slice(rowAt(nextStep), 1, 0, 1), [1])),
  })
}
