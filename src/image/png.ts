import { decode, encode } from "fast-png"
import { ImageError } from "./errors.ts"
import type { Pixels } from "./pixels.ts"

/** Fixed, so that the same picture is the same file everywhere; beyond 6 files hardly shrink. */
const compressionLevel = 6

/** A PNG file of 8 bits per channel: grey, grey and alpha, RGB or RGBA by the picture's channels. */
export function encodePng({ width, height, channels, data }: Pixels): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    encode({ width, height, channels, data, depth: 8 }, { zlib: { level: compressionLevel } }),
  )
}

export function decodePng(bytes: Uint8Array): Pixels {
  const { width, height, channels, data } = decode(bytes)
  if (!(data instanceof Uint8Array)) throw new ImageError("UNSUPPORTED_FORMAT", "16 bit")
  return { width, height, channels: channels as Pixels["channels"], data }
}
