import { AbortError } from "../errors.ts"
import { comfortableBatch } from "../pipelines/batches.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import type { FlowOptions } from "../pipelines/flow-operations.ts"
import { perSample } from "../schedulers/checks.ts"
import type { CommandContext } from "./context.ts"
import { loadModel } from "./load-model.ts"
import { type ComputationArguments, loadingOptions, type RepoArguments } from "./model-options.ts"

/** How a command follows the probability-flow ODE, as the command line has it. */
export interface FlowArguments extends RepoArguments, ComputationArguments {
  readonly batchSize?: number
  readonly rtol?: number
  readonly atol?: number
  readonly eps?: number
  readonly stepSize?: "batch" | "sample"
  /** Of all pictures, or of each. */
  readonly classLabel?: number | readonly number[]
}

/** Pictures that are worked on together. */
interface FlowBatch {
  /** Index of the first. */
  readonly first: number
  readonly count: number
  readonly classLabels: readonly number[] | undefined
}

/** The same as options of a pipeline's methods, for a batch. */
export function flowOptions(
  { rtol, atol, eps, stepSize }: FlowArguments,
  { count, classLabels }: FlowBatch,
  { signal }: CommandContext,
): FlowOptions {
  return { rtol, atol, eps, stepSize, batchSize: count, classLabels, signal }
}

/** Loads the pipeline that the command is about. */
export function loadPipeline(
  model: string,
  options: FlowArguments,
  context: CommandContext,
): Promise<DiffusionPipeline> {
  return loadModel(context, options, () =>
    DiffusionPipeline.fromPretrained(model, loadingOptions(options, context)),
  )
}

/**
 * The batches of `count` pictures.
 *
 * @throws InputError `SHAPE_MISMATCH` where there are neither one label nor `count` of them
 */
export function* batchRanges(
  count: number,
  { batchSize, classLabel }: FlowArguments,
  size: readonly [number, number],
): Generator<FlowBatch> {
  const labels = classLabel === undefined ? undefined : perSample("--class-label", classLabel, count)
  const most = batchSize ?? comfortableBatch(size)
  for (let first = 0; first < count; first += most) {
    const end = Math.min(first + most, count)
    yield { first, count: end - first, classLabels: labels?.slice(first, end) }
  }
}

/** Does work that Ctrl-C may end, of which it then says what is left. */
export async function interruptible<T>(
  { terminal }: CommandContext,
  work: () => Promise<T>,
  whatIsLeft: () => string,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AbortError)) throw error
    throw new AbortError(error.cause, `Interrupted. ${whatIsLeft()}`)
  } finally {
    terminal.endProgress()
  }
}
