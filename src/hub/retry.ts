import pRetry from "p-retry"
import { throwIfAborted } from "../errors.ts"
import { HubError } from "./errors.ts"

/** A failure that may pass: the network, an overloaded server, a transfer that broke off. */
export class TransientError extends Error {
  /** Milliseconds that the server wants to be left alone. */
  readonly retryAfter: number
  /** There was no server to talk to. */
  readonly unreachable: boolean

  constructor(
    message: string,
    options: { cause?: unknown; retryAfter?: number; unreachable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.retryAfter = options.retryAfter ?? 0
    this.unreachable = options.unreachable ?? false
  }
}

/** A server that wants a longer pause than this will not be waited for. */
const longestPause = 5 * 60_000

export interface RetryOptions {
  readonly retries: number
  readonly signal: AbortSignal | undefined
  /** Whether the attempt that failed brought enough to be worth another for free. */
  readonly madeProgress?: () => boolean
}

/**
 * Runs `attempt` until it succeeds or fails with anything but a {@link TransientError}; pauses grow from 0.2 s by
 * doubling, with jitter, and are no shorter than what the server asked for.
 *
 * @throws HubError when the attempts are used up: `OFFLINE` if there was no connection, else `DOWNLOAD_FAILED`.
 */
export async function withRetries<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { retries, signal } = options
  let attempts = 0
  try {
    return await pRetry(
      () => {
        attempts += 1
        return attempt()
      },
      {
        retries,
        minTimeout: 200,
        maxTimeout: 10_000,
        randomize: true,
        ...(signal ? { signal } : {}),
        shouldRetry: ({ error }) => error instanceof TransientError && error.retryAfter <= longestPause,
        shouldConsumeRetry: () => !(options.madeProgress?.() ?? false),
        async onFailedAttempt({ error, retriesLeft }) {
          if (!(error instanceof TransientError) || retriesLeft === 0) return
          if (error.retryAfter > 0 && error.retryAfter <= longestPause) await pause(error.retryAfter, signal)
        },
      },
    )
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof TransientError)) throw error
    const times = attempts === 1 ? "1 attempt" : `${attempts} attempts`
    throw new HubError(error.unreachable ? "OFFLINE" : "DOWNLOAD_FAILED", `${error.message} (${times}).`, {
      cause: error.cause ?? error,
      hint: nextStep(error),
    })
  }
}

function nextStep({ unreachable, retryAfter }: TransientError): string {
  if (unreachable) return "Check the connection; files that are in the cache can be used without one."
  if (retryAfter > longestPause) return `The server asks to wait ${Math.ceil(retryAfter / 60_000)} minutes.`
  return "Try again later; files that have arrived whole are kept."
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener("abort", stop, { once: true })
  })
}
