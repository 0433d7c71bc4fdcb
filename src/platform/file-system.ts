/** What lies at a path. */
export interface FileStat {
  readonly kind: "file" | "directory"
  /** Bytes; 0 for a directory. */
  readonly size: number
}

/** One entry of a directory. */
export interface DirectoryEntry {
  readonly name: string
  readonly kind: "file" | "directory"
}

export interface ReadFileOptions {
  /** Larger files are refused with FileError `FILE_TOO_LARGE` before anything is read. Default: no bound. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal | undefined
}

export interface WriteFileOptions {
  readonly signal?: AbortSignal | undefined
}

/** The content of a file to write: at once, or piece by piece so that it never is in memory as a whole. */
export type FileContent = Uint8Array | AsyncIterable<Uint8Array>

/** `content` as pieces. */
export async function* contentPieces(content: FileContent): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) yield content
  else yield* content
}
