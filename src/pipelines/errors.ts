import { ScoreSdeError } from "../errors.ts"

/**
 * A pipeline could not be put together or run.
 *
 * - `UNKNOWN_PIPELINE`: `model_index.json` names a pipeline that this library doesn't have.
 * - `COMPONENT_MISSING`: a component that the pipeline needs is neither in the repository nor given.
 * - `COMPONENT_TYPE`: a component of a class that the pipeline can't work with.
 * - `NO_SDE`: what the pipeline's noise levels or its network stand for is not the score of an SDE; the message says why.
 * - `NOT_FINITE`: the network returned NaN or an infinity; the message says at which step.
 */
export class PipelineError extends ScoreSdeError<
  "UNKNOWN_PIPELINE" | "COMPONENT_MISSING" | "COMPONENT_TYPE" | "NO_SDE" | "NOT_FINITE"
> {
  override readonly name: string = "PipelineError"
}
