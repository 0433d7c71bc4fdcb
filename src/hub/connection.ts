import { httpAbilities } from "#platform/hub-http"
import { throwIfAborted } from "../errors.ts"
import { HubError } from "./errors.ts"
import { printable } from "./names.ts"
import { TransientError } from "./retry.ts"
import type { HubSettings } from "./settings.ts"

/** What is asked for, so that an error can name it. */
export interface Subject {
  readonly id: string
  readonly revision: string
  readonly path?: string
}

/** A server's answer: its status is 2xx or 416, and its body is still to come. */
export interface Answer {
  readonly status: number
  /** A header of the Hub's own answer, even where that was a redirect, else of the last one's. */
  header(name: string): string | null
  /** A header of the answer that carries the body. */
  bodyHeader(name: string): string | null
  /** The body. Reading it fails with a TransientError when it breaks off or stalls. */
  body(): AsyncGenerator<Uint8Array, void, undefined>
  /** Frees the connection without reading the body. */
  discard(): Promise<void>
}

const maxRedirects = 5

/**
 * Sends a GET and follows redirects. The token goes to the endpoint's origin and nowhere else.
 *
 * @throws TransientError where another attempt may help: no connection, silence, 408, 429, 5xx.
 * @throws HubError for every other refusal; AbortError when the signal is aborted.
 */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  subject: Subject,
  settings: HubSettings,
): Promise<Answer> {
  const origin = new URL(url).origin
  const watch = new SilenceWatch(origin, settings.signal)
  try {
    let first: Response | undefined
    for (let target = url, redirects = 0; ; redirects += 1) {
      const response = await watch.limit(settings.answerTimeout, () =>
        settings.fetch(target, {
          headers: { ...headers, ...authorization(target, settings) },
          redirect: httpAbilities.redirect,
          ...(httpAbilities.cache && { cache: httpAbilities.cache }),
          signal: watch.signal,
        }),
      )
      first ??= response
      const next = redirectTarget(response, target)
      if (next !== undefined && redirects < maxRedirects) {
        await response.body?.cancel()
        target = next
        continue
      }
      if (!response.ok && !(response.status === 416 && "range" in headers)) {
        await response.body?.cancel()
        throw refusal(response, subject, settings)
      }
      return {
        status: response.status,
        header: name => first?.headers.get(name) ?? response.headers.get(name),
        bodyHeader: name => response.headers.get(name),
        body: () => readBody(response, watch, settings),
        discard: async () => response.body?.cancel(),
      }
    }
  } catch (error) {
    throwIfAborted(settings.signal)
    if (error instanceof HubError || error instanceof TransientError) throw error
    throw new TransientError(`${origin} could not be reached: ${reason(error)}`, {
      cause: error,
      unreachable: true,
    })
  }
}

/**
 * The text of an answer.
 *
 * @throws HubError `INVALID_RESPONSE` when it is longer than `maxBytes`.
 */
export async function readAnswer(answer: Answer, maxBytes: number, subject: Subject): Promise<string> {
  const decoder = new TextDecoder()
  let text = ""
  let bytes = 0
  for await (const chunk of answer.body()) {
    bytes += chunk.length
    if (bytes > maxBytes) {
      throw new HubError(
        "INVALID_RESPONSE",
        `The server's answer about ${subject.id} is longer than ${maxBytes} bytes.`,
      )
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** Ends an exchange in which the other side has been silent for too long, or the caller has lost interest. */
class SilenceWatch {
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #server: string

  constructor(server: string, signal: AbortSignal | undefined) {
    this.#server = server
    this.signal = signal ? AbortSignal.any([signal, this.#controller.signal]) : this.#controller.signal
  }

  async limit<T>(milliseconds: number, wait: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#controller.abort(
        new TransientError(`${this.#server} gave no sign of life for ${milliseconds / 1000} s`),
      )
    }, milliseconds)
    try {
      return await wait()
    } finally {
      clearTimeout(timer)
    }
  }
}

async function* readBody(
  response: Response,
  watch: SilenceWatch,
  settings: HubSettings,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await watch.limit(settings.silenceTimeout, () => reader.read())
      if (done) return
      yield value
    }
  } catch (error) {
    throwIfAborted(settings.signal)
    if (error instanceof HubError) throw error
    throw new TransientError(`the transfer broke off: ${reason(error)}`, { cause: error })
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function authorization(url: string, { token, endpoint }: HubSettings): Record<string, string> {
  const known = token !== undefined && new URL(url).origin === new URL(endpoint).origin
  return known ? { authorization: `Bearer ${token}` } : {}
}

/** Where a redirect leads; `undefined` when `response` is none that may be followed. */
function redirectTarget(response: Response, from: string): string | undefined {
  const location = response.headers.get("location")
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return undefined
  if (!URL.canParse(location, from)) return undefined
  const target = new URL(location, from)
  // What was asked for over TLS isn't taken from where anyone on the way can change it.
  const safe =
    target.protocol === "https:" || (target.protocol === "http:" && new URL(from).protocol === "http:")
  return safe ? target.href : undefined
}

/** The error for an answer that is not the one hoped for. */
function refusal(response: Response, subject: Subject, settings: HubSettings): HubError | TransientError {
  const { status, headers } = response
  const { id, revision, path } = subject
  const code = headers.get("x-error-code")
  const said = headers.get("x-error-message")
  const words = said ? ` The server says: "${printable(said)}".` : ""
  const where = settings.endpoint
  const what = path === undefined ? id : `${path} of ${id}`

  if (status === 408 || status === 429 || status >= 500) {
    const label = status === 429 ? "429, too many requests" : `${status}`
    return new TransientError(`${where} answered ${label} when asked for ${what}`, {
      retryAfter: parseRetryAfter(headers.get("retry-after")),
    })
  }
  if (code === "GatedRepo") {
    return new HubError("GATED", `${id} is open only to those who accept its conditions.${words}`, {
      hint:
        settings.token === undefined
          ? `Accept them at ${where}/${id}, then pass the token option or set HF_TOKEN.`
          : `Accept them at ${where}/${id} with the account that your token belongs to.`,
    })
  }
  if (code === "RevisionNotFound") {
    return new HubError("REVISION_NOT_FOUND", `${id} has no branch, tag or commit "${revision}".`, {
      hint: `See ${where}/${id}/tree/main for those that it has.`,
    })
  }
  if (code === "EntryNotFound" || (status === 404 && path !== undefined && code !== "RepoNotFound")) {
    return new HubError("ENTRY_NOT_FOUND", `${id} has no file ${path ?? ""} at revision ${revision}.`)
  }
  if (status === 401 && settings.token !== undefined && code !== "RepoNotFound") {
    return new HubError("UNAUTHORIZED", `${where} does not accept the access token.${words}`, {
      hint: "It may have expired: make a new one, and check the token option, HF_TOKEN and the token file.",
    })
  }
  if (status === 401 || status === 404) {
    return new HubError(
      "REPO_NOT_FOUND",
      `${where} shows no model ${id}: it does not exist, or it is private.`,
      {
        hint:
          settings.token === undefined
            ? "Check the id; for a private repository, pass the token option or set HF_TOKEN."
            : "Check the id, and that your token may read it.",
      },
    )
  }
  if (status === 403) {
    return new HubError("UNAUTHORIZED", `${where} denies access to ${what}.${words}`, {
      hint: "Check that your token has the right to read this repository.",
    })
  }
  return new HubError("DOWNLOAD_FAILED", `${where} answered ${status} when asked for ${what}.${words}`)
}

/** Milliseconds that a `Retry-After` header (seconds, or a date) asks for; 0 where there is none. */
function parseRetryAfter(value: string | null): number {
  if (value === null) return 0
  const seconds = Number(value)
  const milliseconds = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0
}

/** Why `fetch` failed: it wraps the useful part. */
function reason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inner instanceof Error ? printable(inner.message || String(inner)) : printable(String(inner))
}
