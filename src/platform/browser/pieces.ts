import type { FileError } from "../file-error.ts"
import type { BlobWriter, KeptBytes } from "../repo-store.ts"
import type { KeyStorage } from "./key-storage.ts"

/** Large enough to be written fast; an interrupted transfer loses no more than this when the page goes away. */
const pieceBytes = 8 * 2 ** 20
/** Little enough to be hashed between two frames of the page. */
const readBytes = 2 ** 20

/** The pieces of a file in their order, as far as they are there; they are kept under `<key>/<number>`. */
export async function readPieces(storage: KeyStorage, key: string): Promise<Blob[]> {
  const pieces: Blob[] = []
  for (;;) {
    const piece = await storage.get(`${key}/${pieces.length}`)
    if (piece === undefined) return pieces
    pieces.push(piece)
  }
}

/** Removes the pieces of a file. */
export async function removePieces(storage: KeyStorage, key: string): Promise<void> {
  for (const piece of await storage.keys(`${key}/`)) await storage.remove(piece)
}

/**
 * Writes a file as pieces, so that neither an interrupted transfer loses what it brought nor a large file has to be in
 * memory. `found` are the pieces that are there already.
 */
export class PieceWriter implements BlobWriter {
  readonly #storage: KeyStorage
  readonly #key: string
  #written: number
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  readonly kept: KeptBytes | undefined

  constructor(storage: KeyStorage, key: string, found: readonly Blob[] = []) {
    this.#storage = storage
    this.#key = key
    this.#written = found.length
    const size = found.reduce((sum, piece) => sum + piece.size, 0)
    this.kept = size === 0 ? undefined : { size, read: () => readBlobs(found) }
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      const end = Math.min(bytes.length, start + pieceBytes - this.#pendingBytes)
      this.#pending.push(bytes.slice(start, end))
      this.#pendingBytes += end - start
      start = end
      if (this.#pendingBytes === pieceBytes) await this.flush()
    }
  }

  async clear(): Promise<void> {
    this.#pending = []
    this.#pendingBytes = 0
    this.#written = 0
    await removePieces(this.#storage, this.#key)
  }

  /** Writes what has been appended so far. */
  async flush(): Promise<void> {
    if (this.#pendingBytes === 0) return
    const piece = new Uint8Array(this.#pendingBytes)
    let end = 0
    for (const bytes of this.#pending) {
      piece.set(bytes, end)
      end += bytes.length
    }
    this.#pending = []
    this.#pendingBytes = 0
    await this.#storage.put(`${this.#key}/${this.#written}`, piece)
    this.#written += 1
  }
}

async function* readBlobs(blobs: readonly Blob[]): AsyncGenerator<Uint8Array> {
  for (const blob of blobs) {
    for (let start = 0; start < blob.size; start += readBytes) {
      yield new Uint8Array(await blob.slice(start, start + readBytes).arrayBuffer())
    }
  }
}

/** Whether the storage is full. */
export function isFull(error: unknown): error is FileError {
  return (error as FileError | undefined)?.code === "NO_SPACE"
}
