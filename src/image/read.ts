import { readImageFile } from "#platform/image-file"
import type { Pixels } from "./pixels.ts"
import { decodePng } from "./png.ts"

/** What `Image.read` accepts: a path (Node), a URL, or the bytes of a file. */
export type ImageSource = string | URL | Uint8Array | ArrayBuffer | Blob

/** Options of reading a picture. */
export interface ImageReadLimits {
  /** The most pixels to decode; by default 2^26, as many as 8192 × 8192. */
  readonly maxPixels?: number
  /** The most bytes to read; by default 256 MiB. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

export async function readPixels(source: ImageSource, _options: ImageReadLimits): Promise<Pixels> {
  return decodePng(source instanceof Uint8Array ? source : await readImageFile(String(source), 2 ** 28))
}
