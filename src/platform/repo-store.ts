import type { ByteSource } from "./byte-source.ts"

/** A file of one commit, with what it takes to know its bytes when they come. */
export interface HubFile {
  /** Path inside the repository, checked: relative, `/` between parts, no `.` or `..`. */
  readonly path: string
  readonly size: number
  /**
   * SHA-256 of an LFS file (64 hex digits), or the git blob id of another (40); of a mirror that has neither, what it
   * tells the file's versions apart by. The blob's name in the cache.
   */
  readonly digest: string
}

/** A file that the store holds. `digest` where the store knows which blob it is. */
export interface StoredFile {
  readonly path: string
  readonly size: number
  readonly digest?: string | undefined
}

/** Takes a file's bytes in order. Nothing is seen of them until the transfer has ended well. */
export interface BlobWriter {
  append(bytes: Uint8Array): Promise<void>
  /** Forgets what was appended, and what was kept. */
  clear(): Promise<void>
  /** What an earlier transfer of the same bytes left when it was interrupted; what is appended comes behind it. */
  readonly kept?: KeptBytes | undefined
}

/** The beginning of a file. */
export interface KeptBytes {
  readonly size: number
  read(): AsyncIterable<Uint8Array>
}

/** Where {@link RepoStore.put} gets a file's bytes; it returns once they are all appended and verified. */
export type BlobTransfer = (writer: BlobWriter) => Promise<void>

export interface PutOptions {
  /** Fetch even if the blob is here. */
  readonly replace: boolean
  readonly signal?: AbortSignal | undefined
}

/** A file made from a commit, see `Repo.derivedFile`. */
export interface DerivedFileStore {
  localPath(): Promise<string | undefined>
  open(): Promise<ByteSource | undefined>
  write(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
}

/**
 * One Hub repository's share of the cache. All of it is keyed by commit; only refs name branches and tags.
 *
 * Methods throw FileError where the disk or the browser's storage refuses; `readRef`, `stored` and the like return
 * `undefined` for what isn't there. `remember…` methods keep what is only a convenience, so they never fail.
 */
export interface RepoStore {
  /** The commit that a branch or tag stood for when it was last resolved. */
  readRef(revision: string): Promise<string | undefined>
  rememberRef(revision: string, commit: string): Promise<void>
  /** The listing of a commit as stored text (see `hub/tree-file.ts`). */
  readTree(commit: string): Promise<string | undefined>
  rememberTree(commit: string, text: string): Promise<void>
  /** Whether the repository is known to have no such file. */
  isAbsent(commit: string, path: string): Promise<boolean>
  rememberAbsent(commit: string, path: string): Promise<void>

  /** The files of a commit that are here. */
  list(commit: string): Promise<StoredFile[]>
  stored(commit: string, path: string): Promise<StoredFile | undefined>
  /** Fails with FileError `NO_SPACE` when what is missing of the files will not fit, as far as the platform can tell. */
  requireSpace(files: readonly HubFile[]): Promise<void>
  /**
   * Makes `file` part of the commit. Of several callers, in this process or others, that ask for the same blob
   * at once, one runs its `transfer` and the others find the result.
   */
  put(commit: string, file: HubFile, transfer: BlobTransfer, options: PutOptions): Promise<void>
  open(commit: string, path: string): Promise<ByteSource>
  /** Path on disk of a stored file; `undefined` where files have none. */
  localPath(commit: string, path: string): string | undefined
  derivedFile(commit: string, name: string): DerivedFileStore
  /** Removes a commit, or all of the repository, with what only that needs. Returns the bytes that this freed. */
  clear(commit?: string): Promise<number>
}

/** Where a browser keeps files: in its Cache storage, or in the origin private file system. */
export type BrowserCache = "cache-api" | "opfs"

export interface RepoStoreOptions {
  readonly endpoint: string
  readonly id: string
  /** A folder in Node, the name of a cache in a browser; see `#platform/hub-env` for the default. */
  readonly cacheDir: string
  /** Only of a browser. */
  readonly cache: BrowserCache
}
