import { abortable, type Session } from "./session.ts"

/** A session that is loaded when it is first used, and from then on kept. */
export class LazySession implements AsyncDisposable {
  readonly #load: (signal: AbortSignal) => Promise<Session>
  #entry: Entry | undefined

  constructor(load: (signal: AbortSignal) => Promise<Session>) {
    this.#load = load
  }

  /**
   * Does something with the session. A load that fails is tried again by the next use; one that everybody who waits for
   * it has left through their `signal` is stopped.
   *
   * @throws AbortError, and what loading and `work` throw.
   */
  async use<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#entry ??= this.#begin()
    const entry = this.#entry
    const using = abortable(entry.session, signal).then(work)
    entry.users.add(using)
    try {
      return await using
    } finally {
      entry.users.delete(using)
      if (signal?.aborted && entry.users.size === 0 && !entry.loaded) {
        this.#forget(entry)
        entry.stop.abort(signal.reason)
      }
    }
  }

  /** Frees the session, after the uses that have begun; the next use loads it anew. */
  async dispose(): Promise<void> {
    const entry = this.#entry
    if (!entry) return
    this.#forget(entry)
    await Promise.allSettled(entry.users)
    await entry.session.then(
      session => session.dispose(),
      () => {},
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #begin(): Entry {
    const stop = new AbortController()
    const entry: Entry = { session: this.#load(stop.signal), stop, users: new Set(), loaded: false }
    entry.session.then(
      () => {
        entry.loaded = true
      },
      () => this.#forget(entry),
    )
    return entry
  }

  #forget(entry: Entry): void {
    if (this.#entry === entry) this.#entry = undefined
  }
}

interface Entry {
  readonly session: Promise<Session>
  readonly stop: AbortController
  readonly users: Set<Promise<unknown>>
  loaded: boolean
}
