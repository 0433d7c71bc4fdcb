import { inspect } from "node:util"
import { AbortError, InputError, ScoreSdeError } from "../errors.ts"
import { exitCodes } from "./exit-codes.ts"

/**
 * Says on stderr what went wrong and what to do about it, and returns the exit code.
 *
 * @param verbose - Show the stack and the causes too.
 */
export function reportError(error: unknown, verbose: boolean): number {
  console.error(describeError(error))
  if (verbose) console.error(inspect(error, { depth: 5 }))
  if (error instanceof AbortError) return exitCodes.interrupted
  return error instanceof InputError ? exitCodes.usage : exitCodes.failure
}

function describeError(error: unknown): string {
  if (error instanceof AbortError) return error.message
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof ScoreSdeError)) {
    return withHint(message, "This may be a bug; --verbose shows where it comes from.")
  }
  const { hint } = error
  return hint === undefined ? withHint(message) : withHint(message.slice(0, -hint.length - 1), hint)
}

function withHint(message: string, hint?: string): string {
  return hint === undefined ? `error: ${message}` : `error: ${message}\nhint: ${hint}`
}
