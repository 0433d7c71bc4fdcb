/** Options that every error of this library takes. */
export interface ScoreSdeErrorOptions {
  /** What the caller can do next, as a full sentence. */
  readonly hint?: string
  /** The error underneath, when there is one. */
  readonly cause?: unknown
}

/**
 * The base of every error that this library throws on purpose.
 *
 * `code` is stable and meant for programs; `message` is meant for people and ends with `hint`, the next step.
 * Each layer has one subclass (`HubError`, `WeightsError`, `GraphError`, …) that narrows `code`.
 */
export class ScoreSdeError<Code extends string = string> extends Error {
  // Written out here and in every subclass: a bundler that shortens the names of classes must not change this one.
  override readonly name: string = "ScoreSdeError"
  readonly code: Code
  readonly hint: string | undefined

  constructor(code: Code, message: string, options: ScoreSdeErrorOptions = {}) {
    super(
      options.hint === undefined ? message : `${message} ${options.hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.hint = options.hint
  }
}

/** A call was given something that it cannot work with: a wrong type, size, range or combination. */
export class InputError extends ScoreSdeError<"INVALID_ARGUMENT" | "SHAPE_MISMATCH" | "NOT_SET_UP"> {
  override readonly name: string = "InputError"
}

/** The work was stopped through an `AbortSignal`; `cause` holds the signal's reason. */
export class AbortError extends ScoreSdeError<"ABORTED"> {
  override readonly name: string = "AbortError"
  constructor(reason?: unknown, message = "The operation was aborted.") {
    super("ABORTED", message, { cause: reason })
  }
}

/** Throws an {@link AbortError} when `signal` has been aborted; call it between steps of long work. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason)
}
