import { throwIfAborted } from "../errors.ts"
import { type ByteSource, checkRange } from "../platform/byte-source.ts"

export type { ByteSource }

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

/** A source over a `Blob` or `File`; only the ranges that are read come into memory. */
export function blobSource(name: string, blob: Blob): ByteSource {
  const { size } = blob
  return {
    name,
    size,
    async read(offset, length, signal) {
      throwIfAborted(signal)
      checkRange({ name, size }, offset, length)
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
    },
    async close() {},
  }
}
