// A stand-in for the browser's Cache storage and locks, as far as src/platform/browser/repo-store.ts uses them.

import { fakeNavigator } from "../platform/opfs.ts"

interface Entry {
  readonly headers: Headers
  readonly body: Blob
}

class FakeCache {
  readonly #entries = new Map<string, Entry>()
  readonly #quota: number

  constructor(quota: number) {
    this.#quota = quota
  }

  /** Stores the body when it has come to its end; one that fails or is too large is not stored. */
  async put(key: string, response: Response): Promise<void> {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    let size = 0
    const reader = response.body?.getReader()
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true }
      if (done || value === undefined) break
      size += value.length
      if (size > this.#quota) {
        await reader?.cancel()
        throw new DOMException("Quota exceeded.", "QuotaExceededError")
      }
      pieces.push(value)
    }
    this.#entries.set(new URL(key).href, { headers: response.headers, body: new Blob(pieces) })
  }

  async match(key: string): Promise<Response | undefined> {
    const entry = this.#entries.get(new URL(key).href)
    return entry && new Response(entry.body, { headers: entry.headers })
  }

  async delete(key: string): Promise<boolean> {
    return this.#entries.delete(new URL(key).href)
  }

  async keys(): Promise<Request[]> {
    return [...this.#entries.keys()].map(url => new Request(url))
  }
}

/** A page's storage, in both of its forms. */
export interface FakeStorage {
  readonly caches: { open(name: string): Promise<FakeCache>; delete(name: string): Promise<boolean> }
  readonly navigator: {
    readonly storage: {
      estimate(): Promise<{ quota: number; usage: number }>
      getDirectory(): Promise<unknown>
    }
    readonly locks: {
      request<T>(name: string, options: { signal?: AbortSignal }, work: () => Promise<T>): Promise<T>
    }
  }
}

/** A page's storage; `free` bytes are granted in all, `promised` are said to be. */
export function fakeStorage(free: number = 2 ** 30, promised: number = free): FakeStorage {
  const opened = new Map<string, FakeCache>()
  const queues = new Map<string, Promise<unknown>>()
  return {
    caches: {
      async open(name) {
        const cache = opened.get(name) ?? new FakeCache(free)
        opened.set(name, cache)
        return cache
      },
      delete: async name => opened.delete(name),
    },
    navigator: {
      storage: { ...fakeNavigator(free).storage, estimate: async () => ({ quota: promised, usage: 0 }) },
      locks: {
        async request(name, { signal }, work) {
          const turn = (queues.get(name) ?? Promise.resolve()).then(() => {
            signal?.throwIfAborted()
            return work()
          })
          queues.set(
            name,
            turn.catch(() => {}),
          )
          return await turn
        },
      },
    },
  }
}
