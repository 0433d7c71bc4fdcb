import type { ByteSource } from "../platform/byte-source.ts"

/** A file of a repository. */
export interface RepoFile {
  /** Path inside the repository, with `/` between its parts. */
  readonly path: string
  /** Size in bytes; `undefined` where a mirror of the Hub doesn't tell before the file is fetched. */
  readonly size: number | undefined
}

/** The files below a folder (`""`, or a path that ends with `/`), by their paths in it. */
export function filesBelow(
  folder: string,
  files: readonly (Pick<RepoFile, "path"> & Partial<RepoFile>)[],
): RepoFile[] {
  return files.flatMap(({ path, size }) =>
    path.startsWith(folder) ? [{ path: path.slice(folder.length), size }] : [],
  )
}

/**
 * The files of one model: a local folder, or one commit of a Hub repository.
 *
 * Of a Hub repository, `files` lists the whole commit, and a file is downloaded when it is first asked for;
 * when the Hub is not to be reached (see {@link Repo.offline}), `files` lists only what the cache holds.
 */
export interface Repo {
  /** The id or the path that the repository was opened by. */
  readonly id: string
  readonly kind: "local" | "hub"
  /** The commit (40 hex digits) that a Hub repository's revision stood for; `undefined` for a folder. */
  readonly commit: string | undefined
  readonly files: readonly RepoFile[]
  /** All files of the commit; `undefined` where only the cache is used and doesn't know them. */
  readonly known: readonly RepoFile[] | undefined
  /** Why only the cache is used, when it is: the caller wants it so, or the Hub could not be reached. */
  readonly offline: string | undefined
  /** Whether its files have paths by which they can be opened, see {@link Repo.localPath}. */
  readonly hasPaths: boolean

  /** Whether `path` is one of `files`. */
  has(path: string): boolean

  /**
   * The path of a file on disk, downloading it first where needed. Files that stand beside each other in the
   * repository do so on disk, once each has been asked for.
   *
   * @throws HubError `NO_LOCAL_PATH` where {@link Repo.hasPaths} is false, and what {@link Repo.open} throws.
   */
  localPath(path: string): Promise<string>

  /**
   * Opens a file for reading by byte range, downloading it first where needed.
   *
   * @throws HubError `ENTRY_NOT_FOUND`, `OFFLINE`, `DOWNLOAD_FAILED`, `INTEGRITY`, `GATED`, `NO_SPACE`, …; of a local
   * folder, FileError.
   */
  open(path: string): Promise<ByteSource>

  /**
   * The text of a UTF-8 file of at most `maxBytes` bytes.
   *
   * @throws HubError `TOO_LARGE`, `NOT_TEXT`, and what {@link Repo.open} throws.
   */
  readText(path: string, maxBytes: number): Promise<string>

  /** Downloads the files that are not here yet, several at a time. Local folders only check that they exist. */
  download(paths: readonly string[]): Promise<void>

  /**
   * A file that this library makes from the repository and keeps for the next time, such as a converted graph.
   * `name` should carry the version of what makes it. Files of one repository stand beside each other; those
   * of another commit, or of a folder whose files have changed, are not seen.
   */
  derivedFile(name: string): DerivedFile

  /**
   * The same repository for later work, which the signal, the progress handler and `forceDownload` of the opening no
   * longer concern. A folder is listed anew.
   */
  reopened(signal?: AbortSignal): Promise<Repo>
}

/** See {@link Repo.derivedFile}. */
export interface DerivedFile {
  readonly name: string
  /** The file on disk; `undefined` while it has not been written, and in a browser. */
  localPath(): Promise<string | undefined>
  /** Opens the file; `undefined` while it has not been written. */
  open(): Promise<ByteSource | undefined>
  /**
   * Writes the file, whole or not at all, replacing one that is there.
   *
   * @throws FileError `NO_SPACE`, `FILE_ACCESS_DENIED`, …; and whatever `content` throws while it is read.
   */
  write(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
}
