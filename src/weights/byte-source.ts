import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { FileError } from "../platform/file-error.ts"

export type { ByteSource }

/** A source over bytes in memory; reads are views of `bytes`, not copies. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length, signal) {
      throwIfAborted(signal)
      checkRange(name, bytes.length, offset, length)
      return bytes.subarray(offset, offset + length)
    },
    async close() {},
  }
}

/** A source over a `Blob` or `File`; only the ranges that are read come into memory. */
export function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length, signal) {
      throwIfAborted(signal)
      checkRange(name, blob.size, offset, length)
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
    },
    async close() {},
  }
}

function checkRange(name: string, size: number, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size) {
    throw new FileError(
      "FILE_TRUNCATED",
      `${name} has ${size} bytes, so ${length} bytes at ${offset} cannot be read.`,
    )
  }
}
