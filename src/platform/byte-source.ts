import { throwIfAborted } from "../errors.ts"
import { domFailAsFileError } from "./dom-failure.ts"
import { FileError } from "./file-error.ts"

/** Random access to the bytes of a file, a blob or memory. */
export interface ByteSource {
  /** What errors call it: a file name, a URL. */
  readonly name: string
  /** Bytes in all. */
  readonly size: number
  /** The same bytes as a blob, where the platform has them as one: another thread can be given it without a copy. */
  readonly blob?: Blob
  /**
   * Reads exactly `length` bytes from `offset` into memory of its own, which the caller may keep, change or transfer.
   *
   * @throws FileError `FILE_TRUNCATED` when the range ends beyond the source.
   * @throws AbortError when `signal` is aborted.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  /** Frees what the source holds; reading afterwards is an error. Calling it twice is harmless. */
  close(): Promise<void>
}

/** Throws a FileError unless `length` bytes at `offset` lie inside the source. */
export function checkRange(source: Pick<ByteSource, "name" | "size">, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new FileError(
      "FILE_TRUNCATED",
      `${source.name} has ${source.size} bytes, so ${length} bytes at ${offset} cannot be read.`,
    )
  }
}

/** A source over bytes in memory. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  const size = bytes.length
  return {
    name,
    size,
    async read(offset, length, signal) {
      throwIfAborted(signal)
      checkRange({ name, size }, offset, length)
      return new Uint8Array(bytes.subarray(offset, offset + length))
    },
    async close() {},
  }
}

/**
 * A source over a `Blob` or `File`; only the ranges that are read come into memory. A file that has changed on disk
 * since it was opened fails with FileError `FILE_FAILED`.
 */
export function blobSource(name: string, blob: Blob): ByteSource {
  const { size } = blob
  let closed = false
  return {
    name,
    size,
    blob,
    async read(offset, length, signal) {
      checkRange({ name, size }, offset, length)
      throwIfAborted(signal)
      if (closed) throw new FileError("FILE_FAILED", `${name} has been closed.`)
      const range = blob.slice(offset, offset + length)
      const buffer = await domFailAsFileError(name, () => range.arrayBuffer())
      throwIfAborted(signal)
      return new Uint8Array(buffer)
    },
    async close() {
      closed = true
    },
  }
}
