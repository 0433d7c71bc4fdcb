import { ScoreSdeError } from "../errors.ts"

/**
 * A sampler, a solver or a likelihood could not go on.
 *
 * - `UNDEFINED`: this SDE has no such predictor, corrector or discretisation; the message says why
 * - `UNKNOWN_NAME`, `DUPLICATE_NAME`: of a predictor or a corrector
 * - `NOT_FINITE`: the network returned NaN or an infinity; the message says at which step and noise level
 * - `STEP_TOO_SMALL`, `TOO_MANY_STEPS`: the adaptive solver did not reach the end
 */
export class SdeError extends ScoreSdeError<
  "UNDEFINED" | "UNKNOWN_NAME" | "DUPLICATE_NAME" | "NOT_FINITE" | "STEP_TOO_SMALL" | "TOO_MANY_STEPS"
> {
  override readonly name: string = "SdeError"
}
