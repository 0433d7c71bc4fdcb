import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"

const chunkBytes = 4 * 2 ** 20

/** The bytes of an open file, a few megabytes at a time. */
export async function* byteChunks(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < source.size; offset += chunkBytes) {
    throwIfAborted(signal)
    yield await source.read(offset, Math.min(chunkBytes, source.size - offset), signal)
  }
}
