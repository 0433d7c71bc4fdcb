import { type ByteSource, blobSource } from "../byte-source.ts"
import { FileError } from "../file-error.ts"
import { contentPieces } from "../file-system.ts"
import type {
  BlobTransfer,
  DerivedFileStore,
  HubFile,
  PutOptions,
  RepoStore,
  RepoStoreOptions,
  StoredFile,
} from "../repo-store.ts"
import { clearDerivedFiles } from "./folder.ts"
import { cacheApiStorage, type KeyStorage, opfsStorage } from "./key-storage.ts"
import { isFull, PieceWriter, readPieces, removePieces } from "./pieces.ts"

/** Opens a repository's part of the browser's storage. */
export function openRepoStore({ endpoint, id, ...options }: RepoStoreOptions): RepoStore {
  return new BrowserRepoStore(openStorage(options), `${endpoint}/${id}`)
}

/** Removes all that this library keeps for the page's origin; returns the bytes that this freed. */
export async function clearStores(options: Pick<RepoStoreOptions, "cacheDir" | "cache">): Promise<number> {
  const storage = openStorage(options)
  const bytes = await sizeOf(storage, await storage.keys(""))
  await storage.removeAll()
  return bytes + (await clearDerivedFiles())
}

function openStorage({ cacheDir, cache }: Pick<RepoStoreOptions, "cacheDir" | "cache">): KeyStorage {
  return cache === "opfs" ? opfsStorage(cacheDir) : cacheApiStorage(cacheDir)
}

/** What stands at the key of a file: which bytes it has. */
interface Pointer {
  readonly size: number
  readonly digest: string
}

/**
 * Keeps a repository under its address at the Hub, in the manner of Python's cache:
 *
 *     refs/<branch or tag>          the commit, as text
 *     trees/<commit>                our listing of the commit
 *     no_exist/<commit>/<path>      empty: the repository has no such file
 *     resolve/<commit>/<path>       size and hash of the file
 *     blobs/<digest>/<number>       the bytes in pieces, which stay when a transfer is interrupted
 *     whole/<digest>                the size: all pieces are there, and have been verified
 *     derived/<commit>/<name>       size of a file that this library has made, and the name of its bytes
 *     made/<name of the bytes>/<number>
 */
class BrowserRepoStore implements RepoStore {
  readonly #storage: KeyStorage
  readonly #base: string

  constructor(storage: KeyStorage, base: string) {
    this.#storage = storage
    this.#base = base
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
    return (await this.#storage.get(this.#key("no_exist", commit, path))) !== undefined
  }

  async rememberAbsent(commit: string, path: string): Promise<void> {
    await this.#rememberText(this.#key("no_exist", commit, path), "")
  }

  async list(commit: string): Promise<StoredFile[]> {
    const folder = this.#key("resolve", commit, "")
    const files: StoredFile[] = []
    for (const key of await this.#storage.keys(folder)) {
      const path = key.slice(folder.length).split("/").map(decodeURIComponent).join("/")
      const file = await this.stored(commit, path)
      if (file !== undefined) files.push(file)
    }
    return files.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async stored(commit: string, path: string): Promise<StoredFile | undefined> {
    const pointer = await this.#readPointer(this.#key("resolve", commit, path))
    if (!pointer || !(await this.#isWhole(pointer))) return undefined
    return { path, ...pointer }
  }

  async requireSpace(files: readonly HubFile[]): Promise<void> {
    let needed = 0
    for (const { size, digest } of files) {
      const kept = totalSize(await readPieces(this.#storage, this.#key("blobs", digest)))
      needed += Math.max(0, size - kept)
    }
    const { quota, usage } = await navigator.storage.estimate()
    if (quota !== undefined && usage !== undefined && quota - usage < needed) {
      throw new FileError(
        "NO_SPACE",
        `The browser grants this page ${quota - usage} more bytes, but ${needed} are needed.`,
      )
    }
  }

  async put(commit: string, file: HubFile, transfer: BlobTransfer, options: PutOptions): Promise<void> {
    const blob = this.#key("blobs", file.digest)
    const whole = this.#key("whole", file.digest)
    const lockOptions = options.signal ? { signal: options.signal } : {}
    // Other tabs and workers of the page's origin share the storage.
    await navigator.locks.request(`${this.#storage.name} ${blob}`, lockOptions, async () => {
      if (options.replace) {
        await this.#storage.remove(whole)
        await removePieces(this.#storage, blob)
      }
      if (!(await this.#isWhole(file))) {
        await this.#receive(blob, file, transfer)
        await this.#writeText(whole, String(file.size))
      }
      const pointer: Pointer = { size: file.size, digest: file.digest }
      await this.#writeText(this.#key("resolve", commit, file.path), JSON.stringify(pointer))
    })
  }

  async open(commit: string, path: string): Promise<ByteSource> {
    const key = this.#key("resolve", commit, path)
    const pointer = await this.#readPointer(key)
    const source = pointer && (await this.#openPieces(path, this.#key("blobs", pointer.digest), pointer.size))
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
      open: async () => {
        const pointer = await this.#readPointer(key)
        return pointer && (await this.#openPieces(name, this.#key("made", pointer.digest), pointer.size))
      },
      write: content => this.#writeDerived(key, name, content),
    }
  }

  async clear(commit?: string): Promise<number> {
    const keys = await this.#storage.keys(`${this.#base}/`)
    const goes = commit === undefined ? keys : await this.#keysOf(commit, keys)
    const bytes = await sizeOf(this.#storage, goes)
    for (const key of goes) await this.#storage.remove(key)
    return bytes
  }

  /** The keys that only `commit` needs, bytes last, so that nothing ever points to what is gone. */
  async #keysOf(commit: string, keys: readonly string[]): Promise<string[]> {
    const names: string[] = []
    const needed = new Set<string>()
    const freed = new Set<string>()
    for (const key of keys) {
      const [kind, name] = key.slice(this.#base.length + 1).split("/")
      const isRef = kind === "refs" && (await this.#readText(key)) === commit
      if (isRef || (name === commit && /^(?:trees|no_exist|resolve|derived)$/.test(kind!))) names.push(key)
      if (kind !== "resolve" && kind !== "derived") continue
      const digest = (await this.#readPointer(key))?.digest
      if (digest !== undefined) (name === commit ? freed : needed).add(digest)
    }
    const bytes = keys.filter(key => {
      const [kind, name] = key
        .slice(this.#base.length + 1)
        .split("/")
        .map(decodeURIComponent)
      return /^(?:blobs|whole|made)$/.test(kind!) && freed.has(name!) && !needed.has(name!)
    })
    return [...names, ...bytes]
  }

  #key(kind: string, name: string, path?: string): string {
    const parts = [name, ...(path === undefined ? [] : path.split("/"))]
    return `${this.#base}/${kind}/${parts.map(encodeURIComponent).join("/")}`
  }

  async #receive(blob: string, file: HubFile, transfer: BlobTransfer): Promise<void> {
    const writer = new PieceWriter(this.#storage, blob, await readPieces(this.#storage, blob))
    try {
      await transfer(writer)
      await writer.flush()
    } catch (error) {
      if (isFull(error)) {
        // What can't be completed must not keep the little space that there is.
        await writer.clear().catch(() => {})
        throw await outOfSpace(`${file.path} takes ${file.size} bytes`, error)
      }
      await writer.flush().catch(() => {})
      throw error
    }
  }

  /** Writes under a new name and then replaces the pointer: readers see the old file or the new one. */
  async #writeDerived(
    key: string,
    name: string,
    content: Parameters<DerivedFileStore["write"]>[0],
  ): Promise<void> {
    const before = await this.#readPointer(key)
    const digest = crypto.randomUUID()
    const writer = new PieceWriter(this.#storage, this.#key("made", digest))
    let size = 0
    try {
      for await (const piece of contentPieces(content)) {
        size += piece.length
        await writer.append(piece)
      }
      await writer.flush()
      await this.#writeText(key, JSON.stringify({ size, digest } satisfies Pointer))
    } catch (error) {
      await writer.clear().catch(() => {})
      throw isFull(error) ? await outOfSpace(`${name} takes more than ${size} bytes`, error) : error
    }
    if (before) await removePieces(this.#storage, this.#key("made", before.digest))
  }

  async #openPieces(name: string, key: string, size: number): Promise<ByteSource | undefined> {
    const pieces = await readPieces(this.#storage, key)
    // A blob of blobs holds references: nothing is read or copied here.
    return totalSize(pieces) === size ? blobSource(name, new Blob(pieces)) : undefined
  }

  /** Whether all the bytes are there. */
  async #isWhole({ size, digest }: Pointer): Promise<boolean> {
    return (await this.#readText(this.#key("whole", digest))) === String(size)
  }

  async #readPointer(key: string): Promise<Pointer | undefined> {
    const text = await this.#readText(key)
    return text === undefined ? undefined : (JSON.parse(text) as Pointer)
  }

  async #readText(key: string): Promise<string | undefined> {
    return await (await this.#storage.get(key))?.text()
  }

  async #writeText(key: string, text: string): Promise<void> {
    await this.#storage.put(key, new TextEncoder().encode(text))
  }

  /** Keeps what only saves time later; storage that takes nothing can still be read. */
  async #rememberText(key: string, text: string): Promise<void> {
    await this.#writeText(key, text).catch(() => {})
  }
}

function totalSize(blobs: readonly Blob[]): number {
  return blobs.reduce((sum, blob) => sum + blob.size, 0)
}

async function sizeOf(storage: KeyStorage, keys: readonly string[]): Promise<number> {
  let bytes = 0
  for (const key of keys) bytes += (await storage.get(key))?.size ?? 0
  return bytes
}

async function outOfSpace(what: string, cause: unknown): Promise<FileError> {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate().catch(() => ({}) as StorageEstimate)
  const free = Math.max(0, quota - usage)
  return new FileError(
    "NO_SPACE",
    `The browser's storage is full: ${what}, and of the ${quota} that this page is granted ${free} are free.`,
    { cause },
  )
}
