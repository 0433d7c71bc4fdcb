import type { ResolvedDevice } from "./device.ts"
import { RuntimeError, type RuntimeErrorCode } from "./errors.ts"
import { withoutHint } from "./ort-errors.ts"

/** A `RuntimeError` as plain data: structured cloning would keep its message alone. */
export interface WireError {
  readonly code: RuntimeErrorCode
  readonly message: string
  readonly hint?: string
  readonly device?: ResolvedDevice
  readonly attempts: readonly WireAttempt[]
  readonly cause: string
}

export interface WireAttempt {
  readonly device: ResolvedDevice
  readonly error: WireError
}

export function toWire(error: unknown): WireError {
  if (!(error instanceof RuntimeError)) {
    return { code: "RUN_FAILED", message: String(error), attempts: [], cause: traceOf(error) }
  }
  const { code, message, hint, device, attempts, cause } = error
  return {
    code,
    message: withoutHint(message, hint),
    ...(hint !== undefined && { hint }),
    ...(device !== undefined && { device }),
    attempts: attempts.map(attempt => ({ device: attempt.device, error: toWire(attempt.error) })),
    cause: traceOf(cause ?? error),
  }
}

export function fromWire({ code, message, attempts, cause, ...rest }: WireError): RuntimeError {
  return new RuntimeError(code, message, {
    ...rest,
    attempts: attempts.map(({ device, error }) => ({ device, error: fromWire(error) })),
    cause: new Error(cause),
  })
}

function traceOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
