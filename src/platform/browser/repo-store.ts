import { blobSource } from "../../platform/byte-source.ts"
import type { ByteSource } from "../byte-source.ts"
import { FileError } from "../file-error.ts"
import { contentPieces } from "../file-system.ts"
import type {
  BlobTransfer,
  BlobWriter,
  DerivedFileStore,
  HubFile,
  PutOptions,
  RepoStore,
  RepoStoreOptions,
  StoredFile,
} from "../repo-store.ts"

/** Opens a repository's part of the browser's Cache storage. */
export function openRepoStore(options: RepoStoreOptions): RepoStore {
  return new CachedRepo(options)
}

const sizeHeader = "content-length"
const digestHeader = "x-digest"

/**
 * Keeps files as responses in the Cache storage, under their address at the Hub with the commit in it, and with the
 * hash that was verified. Chosen over the origin private file system since it writes about twice as fast.
 */
class CachedRepo implements RepoStore {
  readonly #cacheName: string
  readonly #base: string

  constructor({ endpoint, id, cacheDir }: RepoStoreOptions) {
    this.#cacheName = cacheDir
    this.#base = `${endpoint}/${id}`
  }

  async readRef(revision: string): Promise<string | undefined> {
    return await this.#readText(this.#key("refs", revision))
  }

  async rememberRef(revision: string, commit: string): Promise<void> {
    await this.#rememberText(this.#key("refs", revision), commit)
  }

  async readTree(commit: string): Promise<string | undefined> {
    return await this.#readText(this.#key("trees", commit))
  }

  async rememberTree(commit: string, text: string): Promise<void> {
    await this.#rememberText(this.#key("trees", commit), text)
  }

  async isAbsent(commit: string, path: string): Promise<boolean> {
    return (await this.#match(this.#key("no_exist", commit, path))) !== undefined
  }

  async rememberAbsent(commit: string, path: string): Promise<void> {
    await this.#rememberText(this.#key("no_exist", commit, path), "")
  }

  async list(commit: string): Promise<StoredFile[]> {
    const folder = this.#key("resolve", commit, "")
    const files: StoredFile[] = []
    for (const { url } of await inStorage(async () => (await this.#open()).keys())) {
      if (!url.startsWith(folder)) continue
      const path = url.slice(folder.length).split("/").map(decodeURIComponent).join("/")
      const file = await this.stored(commit, path)
      if (file !== undefined) files.push(file)
    }
    return files.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async stored(commit: string, path: string): Promise<StoredFile | undefined> {
    const response = await this.#match(this.#key("resolve", commit, path))
    if (response === undefined) return undefined
    return {
      path,
      size: Number(response.headers.get(sizeHeader)),
      digest: response.headers.get(digestHeader) ?? undefined,
    }
  }

  async requireSpace(bytes: number): Promise<void> {
    const { quota, usage } = await navigator.storage.estimate()
    if (quota !== undefined && usage !== undefined && quota - usage < bytes) {
      throw new FileError(
        "NO_SPACE",
        `The browser grants this page ${quota - usage} more bytes, but ${bytes} are needed.`,
      )
    }
  }

  async put(commit: string, file: HubFile, transfer: BlobTransfer, options: PutOptions): Promise<void> {
    const key = this.#key("resolve", commit, file.path)
    const lockOptions = options.signal ? { signal: options.signal } : {}
    // Other tabs and workers of the page's origin share the storage.
    await navigator.locks.request(`${this.#cacheName} ${key}`, lockOptions, async () => {
      if (!options.replace && (await this.stored(commit, file.path))?.size === file.size) return
      const headers = { [sizeHeader]: String(file.size), [digestHeader]: file.digest }
      await this.#write(key, headers, transfer)
    })
  }

  async open(commit: string, path: string): Promise<ByteSource> {
    const key = this.#key("resolve", commit, path)
    const source = await this.#openKey(key, path)
    if (source === undefined) throw new FileError("FILE_NOT_FOUND", `The cache has lost ${key}.`)
    return source
  }

  localPath(): undefined {
    return undefined
  }

  derivedFile(commit: string, name: string): DerivedFileStore {
    const key = this.#key("derived", commit, name)
    return {
      localPath: async () => undefined,
      open: () => this.#openKey(key, name),
      write: async content =>
        await this.#write(key, {}, async writer => {
          for await (const piece of contentPieces(content)) await writer.append(piece)
        }),
    }
  }

  #key(kind: string, name: string, path?: string): string {
    const parts = [name, ...(path === undefined ? [] : path.split("/"))]
    return `${this.#base}/${kind}/${parts.map(encodeURIComponent).join("/")}`
  }

  async #open(): Promise<Cache> {
    if (typeof caches === "undefined") {
      throw new FileError(
        "FILE_ACCESS_DENIED",
        "The browser gives this page no storage; it does over https and on localhost.",
      )
    }
    return await caches.open(this.#cacheName)
  }

  async #match(key: string): Promise<Response | undefined> {
    return await inStorage(async () => (await this.#open()).match(key))
  }

  async #readText(key: string): Promise<string | undefined> {
    return await (await this.#match(key))?.text()
  }

  /** Keeps what only saves time later; storage that takes nothing can still be read. */
  async #rememberText(key: string, text: string): Promise<void> {
    await this.#open()
      .then(cache => cache.put(key, new Response(text)))
      .catch(() => {})
  }

  async #openKey(key: string, name: string): Promise<ByteSource | undefined> {
    const response = await this.#match(key)
    return response && blobSource(name, await inStorage(() => response.blob()))
  }

  async #write(key: string, headers: Record<string, string>, transfer: BlobTransfer): Promise<void> {
    const cache = await inStorage(() => this.#open())
    const writer = new CacheWriter(body => cache.put(key, new Response(body, { headers })))
    try {
      await transfer(writer)
    } catch (error) {
      await writer.clear()
      throw error
    }
    await writer.finish()
  }
}

interface BodyStream {
  readonly writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>
  /** Settles when the cache has taken the whole body, or refused it. */
  readonly stored: Promise<void>
}

/** Streams a body into the cache, which takes it only when the stream ends well. */
class CacheWriter implements BlobWriter {
  readonly #store: (body: ReadableStream<Uint8Array<ArrayBuffer>>) => Promise<void>
  #stream: BodyStream | undefined

  constructor(store: (body: ReadableStream<Uint8Array<ArrayBuffer>>) => Promise<void>) {
    this.#store = store
  }

  async append(bytes: Uint8Array): Promise<void> {
    const { writer, stored } = this.#begin()
    // The stream keeps the chunk for a while, and refuses memory that is shared between threads.
    const chunk = new Uint8Array(bytes)
    // A cache that can't go on says why only through the promise of the whole.
    await inStorage(() => Promise.race([writer.write(chunk).catch(() => stored), stored]))
  }

  async clear(): Promise<void> {
    const stream = this.#stream
    this.#stream = undefined
    await stream?.writer.abort().catch(() => {})
    await stream?.stored.catch(() => {})
  }

  async finish(): Promise<void> {
    const { writer, stored } = this.#begin()
    await inStorage(() => Promise.all([writer.close().catch(() => {}), stored]))
  }

  #begin(): BodyStream {
    if (this.#stream === undefined) {
      const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>()
      const stored = this.#store(readable)
      stored.catch(() => {})
      this.#stream = { writer: writable.getWriter(), stored }
    }
    return this.#stream
  }
}

/** Runs `work` and turns the storage's failures into FileErrors. */
async function inStorage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DOMException) || error.name === "AbortError") throw error
    throw new FileError(
      error.name === "QuotaExceededError" ? "NO_SPACE" : "FILE_FAILED",
      `The browser's storage refuses: ${error.message}`,
      { cause: error },
    )
  }
}
