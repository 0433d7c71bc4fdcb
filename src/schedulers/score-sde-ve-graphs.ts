import { GraphBuilder, type Value } from "../graph/builder.ts"
import { add, div, mul, sqrt } from "../graph/ops/elementwise.ts"
import { reduceMean, reduceSumSquare } from "../graph/ops/reduction.ts"
import { cast, gather, reshape, slice } from "../graph/ops/shape.ts"
import type { Graph } from "../graph/types.ts"

// The steps of ScoreSdeVeScheduler as graphs, for samplers whose state stays on a device; see there for the formulas.
// Names of inputs and outputs are the scheduler's.

type PictureShape = readonly [channels: number, height: number, width: number]

/** Columns of {@link predictorGraph}'s table: what the network is told, g and g². */
export const stepColumns = 3

function states(builder: GraphBuilder, shape: PictureShape): readonly [Value, Value, Value] {
  const input = (name: string): Value => builder.input(name, "float32", ["batch", ...shape])
  return [input("sample"), input("modelOutput"), input("noise")]
}

/** `stepCorrect`: sample, modelOutput, noise [N, C, H, W] → prevSample. */
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

/**
 * `stepPred`: sample, modelOutput, noise [N, C, H, W] → prevSample, prevSampleMean; and what the next step needs. `step`
 * [1] is the number of the row of `table` [steps + 1, 3] with this step's numbers; `nextStep` is the one after it, and
 * `nextTimestep` [N] its first column, made of `timestep` [N].
 */
export function predictorGraph(shape: PictureShape, steps: number): Graph {
  const builder = new GraphBuilder("stepPred")
  const [sample, score, noise] = states(builder, shape)
  const timestep = builder.input("timestep", "float32", ["batch"])
  const table = builder.input("table", "float32", [steps + 1, stepColumns])
  const step = builder.input("step", "float32", [1])
  const nextStep = add(step, 1)
  const column = (row: Value, index: number): Value =>
    slice(gather(table, cast(row, "int32")), 1, index, index + 1)
  const g = reshape(column(step, 1), [1, 1, 1, 1])
  const g2 = reshape(column(step, 2), [1, 1, 1, 1])
  const mean = add(sample, mul(score, g2))
  return builder.build({
    prevSample: add(mean, mul(noise, g)),
    prevSampleMean: mean,
    nextStep,
    nextTimestep: add(mul(timestep, 0), reshape(column(nextStep, 0), [1])),
  })
}
