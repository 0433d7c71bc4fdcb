import pLimit from "p-limit"
import { cacheHint, roomHint } from "#platform/hub-env"
import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { FileError } from "../platform/file-error.ts"
import type { HubFile, RepoStore } from "../platform/repo-store.ts"
import { derivedFile } from "./derived-file.ts"
import { HubError } from "./errors.ts"
import { fileUrl, isDescribed, probeFile } from "./hub-api.ts"
import { checkPath } from "./names.ts"
import { noSuchFile } from "./no-such-file.ts"
import { DownloadProgress } from "./progress.ts"
import { readUtf8 } from "./read-text.ts"
import { type DerivedFile, filesBelow, type Repo, type RepoFile } from "./repo.ts"
import type { HubSettings } from "./settings.ts"
import { isVerifiable, startDigest, transferFile } from "./transfer.ts"
import type { ListedFile } from "./tree-file.ts"

const parallelTransfers = 4
const hashPieceBytes = 4 * 2 ** 20

/** What a {@link HubRepo} is made from. */
export interface HubRepoParts {
  readonly id: string
  readonly commit: string
  /** The files of the commit; offline those that are here, and `known` has the rest as far as it is known. */
  readonly listed: readonly ListedFile[]
  readonly known?: readonly HubFile[] | undefined
  readonly offline: string | undefined
  readonly store: RepoStore
  readonly settings: HubSettings
}

/** One commit of a Hub repository; its files come into the cache as they are asked for. */
export class HubRepo implements Repo {
  readonly kind = "hub"
  readonly id: string
  readonly commit: string
  readonly files: readonly RepoFile[]
  readonly known: readonly RepoFile[] | undefined
  readonly offline: string | undefined
  readonly hasPaths: boolean
  readonly #parts: HubRepoParts
  readonly #settings: HubSettings
  /** By full path. */
  readonly #listed: ReadonlyMap<string, ListedFile>
  readonly #known: ReadonlyMap<string, HubFile>
  /** Settles when the file is in the cache; what failed is forgotten, to be tried again. */
  readonly #ready = new Map<string, Promise<void>>()

  constructor(parts: HubRepoParts) {
    this.#parts = parts
    this.#settings = parts.settings
    this.id = parts.id
    this.commit = parts.commit
    this.offline = parts.offline
    this.hasPaths = parts.store.localPath(parts.commit, "") !== undefined
    this.#listed = new Map(parts.listed.map(file => [file.path, file]))
    this.#known = new Map(parts.known?.map(file => [file.path, file]))
    const inside = (files: readonly ListedFile[]): RepoFile[] => filesBelow(parts.settings.prefix, files)
    this.files = inside(parts.listed)
    this.known = parts.offline === undefined ? this.files : parts.known && inside(parts.known)
  }

  has(path: string): boolean {
    return this.#listed.has(this.#settings.prefix + path)
  }

  async localPath(path: string): Promise<string> {
    await this.download([path])
    const local = this.#parts.store.localPath(this.commit, this.#settings.prefix + path)
    if (local === undefined) {
      throw new HubError("NO_LOCAL_PATH", `${path} is in the browser's storage, where files have no path.`)
    }
    return local
  }

  async open(path: string): Promise<ByteSource> {
    await this.download([path])
    return await asHubError(
      () => this.#parts.store.open(this.commit, this.#settings.prefix + path),
      this.#settings.signal,
    )
  }

  async readText(path: string, maxBytes: number): Promise<string> {
    const size = this.#listed.get(this.#settings.prefix + path)?.size ?? 0
    if (size > maxBytes) {
      throw new HubError(
        "TOO_LARGE",
        `${path} of ${this.id} has ${size} bytes; at most ${maxBytes} are read.`,
      )
    }
    return await readUtf8(await this.open(path), maxBytes, this.#settings.signal)
  }

  async download(paths: readonly string[]): Promise<void> {
    throwIfAborted(this.#settings.signal)
    const wanted = [...new Set(paths)].map(path => {
      checkPath(path)
      return this.#settings.prefix + path
    })
    for (const path of wanted) if (!this.#listed.has(path)) throw await this.#missing(path)

    const fresh = wanted.filter(path => !this.#ready.has(path))
    if (fresh.length > 0) this.#startBatch(fresh)
    await allOrFirstFailure(wanted.map(path => this.#ready.get(path)!))
  }

  derivedFile(name: string): DerivedFile {
    return derivedFile(name, plain => this.#parts.store.derivedFile(this.commit, plain))
  }

  async reopened(signal?: AbortSignal): Promise<HubRepo> {
    const settings = { ...this.#settings, signal, onProgress: undefined, forceDownload: false }
    return new HubRepo({ ...this.#parts, settings })
  }

  /** Begins to make files ready. The first failure ends the others of the batch. */
  #startBatch(paths: readonly string[]): void {
    const stop = new AbortController()
    const signal = this.#settings.signal ? AbortSignal.any([this.#settings.signal, stop.signal]) : stop.signal
    const settings = { ...this.#settings, signal }
    const limit = pLimit(parallelTransfers)
    const prepared = asHubError(() => this.#prepare(paths, settings), signal)
    for (const path of paths) {
      const ready = prepared.then(({ missing, progress }) => {
        const file = missing.get(path)
        return file && limit(() => asHubError(() => this.#fetch(file, progress, settings), signal))
      })
      this.#ready.set(path, ready)
      ready.catch(error => {
        this.#ready.delete(path)
        stop.abort(error)
      })
    }
  }

  /** Finds out which files have to be fetched, and whether they will fit. */
  async #prepare(paths: readonly string[], settings: HubSettings): Promise<Batch> {
    const missing = new Map<string, HubFile>()
    for (const path of paths) {
      if (await this.#isHere(path)) continue
      if (this.offline !== undefined) throw await this.#missing(path)
      const listed = this.#listed.get(path)!
      const file = isDescribed(listed) ? listed : await probeFile(this.id, this.commit, path, settings)
      missing.set(path, file)
    }
    const files = [...missing.values()]
    if (files.length > 0) await this.#parts.store.requireSpace(files)
    return { missing, progress: new DownloadProgress(this.id, files, settings.onProgress) }
  }

  /** Whether the cache holds the file in the size that the repository states; offline, whether it is intact. */
  async #isHere(path: string): Promise<boolean> {
    if (this.#settings.forceDownload && this.offline === undefined) return false
    const { store } = this.#parts
    const stored = await store.stored(this.commit, path)
    if (stored === undefined) return false
    const stated = this.offline === undefined ? this.#listed.get(path) : this.#known.get(path)
    if (stated?.size !== undefined) {
      if (stored.size === stated.size) return true
      if (this.offline === undefined) return false
      throw this.#corrupt(path, `has ${stored.size} bytes instead of ${stated.size}`)
    }
    // Python's cache doesn't keep sizes, but a blob's name is its hash.
    if (stored.digest !== undefined && isVerifiable({ digest: stored.digest })) {
      const digest = await this.#hash(path, stored.digest)
      if (digest !== stored.digest)
        throw this.#corrupt(path, `has the hash ${digest} instead of ${stored.digest}`)
    }
    return true
  }

  async #hash(path: string, digest: string): Promise<string> {
    const source = await this.#parts.store.open(this.commit, path)
    try {
      const hash = startDigest({ digest, size: source.size })
      for (let offset = 0; offset < source.size; offset += hashPieceBytes) {
        const length = Math.min(hashPieceBytes, source.size - offset)
        hash.update(await source.read(offset, length, this.#settings.signal))
      }
      return hash.hex()
    } finally {
      await source.close()
    }
  }

  async #fetch(file: HubFile, progress: DownloadProgress, settings: HubSettings): Promise<void> {
    throwIfAborted(settings.signal)
    const subject = { id: this.id, revision: this.commit, path: file.path }
    const url = fileUrl(this.id, this.commit, file.path, settings)
    progress.start(file.path)
    await this.#parts.store.put(
      this.commit,
      file,
      writer => transferFile(url, file, writer, subject, settings, progress),
      { replace: settings.forceDownload, signal: settings.signal },
    )
    progress.finish(file.path)
  }

  async #missing(path: string): Promise<HubError> {
    const { store } = this.#parts
    const absent =
      this.offline === undefined ||
      (this.#parts.known !== undefined && !this.#known.has(path)) ||
      (await store.isAbsent(this.commit, path))
    if (!absent) {
      return new HubError("OFFLINE", `${path} of ${this.id} is not in the cache. ${this.offline}`, {
        hint: "Load the model once with a connection; it can be used without one afterwards.",
      })
    }
    if (this.offline === undefined) await store.rememberAbsent(this.commit, path)
    return noSuchFile(path, this)
  }

  #corrupt(path: string, problem: string): HubError {
    const place = this.#parts.store.localPath(this.commit, path) ?? path
    return new HubError("INTEGRITY", `The cache is damaged: ${place} ${problem}.`, {
      hint: "Load the model once with a connection, and the file is fetched again.",
    })
  }
}

interface Batch {
  /** By path. */
  readonly missing: ReadonlyMap<string, HubFile>
  readonly progress: DownloadProgress
}

/** Waits until all have settled, then throws what failed first. */
async function allOrFirstFailure(all: readonly Promise<void>[]): Promise<void> {
  const failures: unknown[] = []
  await Promise.all(all.map(one => one.catch(error => void failures.push(error))))
  if (failures.length > 0) throw failures[0]
}

/** Says of a storage failure what it means for the model. */
async function asHubError<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof FileError)) throw error
    if (error.code === "NO_SPACE") {
      throw new HubError("NO_SPACE", error.message, {
        cause: error,
        hint: `${roomHint} Nothing partial was kept.`,
      })
    }
    throw new HubError("CACHE_FAILED", error.message, {
      cause: error,
      hint: cacheHint,
    })
  }
}
