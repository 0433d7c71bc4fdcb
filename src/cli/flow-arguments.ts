import { AbortError } from "../errors.ts"
import { comfortableBatch } from "../pipelines/batches.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import type { FlowOptions } from "../pipelines/flow-operations.ts"
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
}

/** The same as options of a pipeline's methods. */
export function flowOptions(
  { rtol, atol, eps, stepSize }: FlowArguments,
  { signal }: CommandContext,
): FlowOptions {
  return { rtol, atol, eps, stepSize, signal }
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

/** The batches of `count` pictures. */
export function* batchRanges(
  count: number,
  { batchSize }: FlowArguments,
  size: readonly [number, number],
): Generator<{ readonly first: number; readonly count: number }> {
  const most = batchSize ?? comfortableBatch(size)
  for (let first = 0; first < count; first += most) yield { first, count: Math.min(most, count - first) }
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
