import { AbortError, InputError, ScoreSdeError } from "../errors.ts"
import { exitCodes } from "./program.ts"

/** Says on stderr what went wrong, and returns the exit code for it. */
export function reportError(error: unknown, verbose: boolean): number {
  if (error instanceof AbortError) {
    console.error("Interrupted.")
    return exitCodes.interrupted
  }
  if (verbose || !(error instanceof ScoreSdeError)) console.error(error)
  else console.error(`Error: ${error.message}`)
  return error instanceof InputError ? exitCodes.usage : exitCodes.failure
}
