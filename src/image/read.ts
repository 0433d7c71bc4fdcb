import { imageDimensionsFromData } from "image-dimensions"
import { readFile } from "#platform/files"
import { decodeImage } from "#platform/image-codec"
import { pathOfFileUrl } from "#platform/image-file"
import { AbortError, throwIfAborted } from "../errors.ts"
import { ImageError } from "./errors.ts"
import type { Pixels } from "./pixels.ts"
import { decodePng } from "./png.ts"

/** Where a picture is read from: a path, a URL (http, https, data, blob, file), or the bytes of a file. */
export type ImageSource = string | URL | Uint8Array | ArrayBuffer | Blob

/** The bounds of reading a picture. */
export interface ImageReadLimits {
  /** The most pixels to decode; by default 2^26, as in 8192 × 8192. */
  readonly maxPixels?: number
  /** The most bytes to read; by default 2^28, 256 MiB. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads and decodes a PNG, JPEG or WebP file. The bounds hold before anything is decoded.
 *
 * @throws ImageError `UNSUPPORTED_FORMAT`, `CORRUPT_IMAGE`, `TOO_LARGE`, `DOWNLOAD_FAILED`
 * @throws FileError when a path cannot be read
 * @throws AbortError
 */
export async function readPixels(source: ImageSource, limits: ImageReadLimits): Promise<Pixels> {
  const { maxPixels = 2 ** 26, maxBytes = 2 ** 28, signal } = limits
  throwIfAborted(signal)
  const bytes = await readBytes(source, maxBytes, signal)
  throwIfAborted(signal)
  const found = imageDimensionsFromData(bytes)
  const kind = found && kinds[found.type]
  if (!kind) {
    const what = found ? `a ${found.type} picture` : "no picture of a known kind"
    throw new ImageError("UNSUPPORTED_FORMAT", `The file is ${what}.`, {
      hint: "Give a PNG, JPEG or WebP file.",
    })
  }
  if (found.width * found.height > maxPixels) {
    throw new ImageError(
      "TOO_LARGE",
      `The picture has ${found.width} × ${found.height} pixels; at most ${maxPixels} are decoded.`,
      { hint: "Raise maxPixels if you trust the file." },
    )
  }
  return kind === "PNG" ? decodePng(bytes) : await decodeImage(bytes, kind, maxPixels)
}

const kinds: Readonly<Record<string, "PNG" | "JPEG" | "WebP">> = { png: "PNG", jpeg: "JPEG", webp: "WebP" }

async function readBytes(
  source: ImageSource,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (typeof source === "string" && !/^(https?|data|blob|file):/i.test(source)) {
    return await readFile(source, { maxBytes, signal })
  }
  if (typeof source === "string" || source instanceof URL) {
    const url = parseUrl(source)
    if (url.protocol === "file:") return await readFile(pathOfFileUrl(url), { maxBytes, signal })
    return await download(url, maxBytes, signal)
  }
  const size = source instanceof Blob ? source.size : source.byteLength
  if (size > maxBytes) throw tooManyBytes("The file", maxBytes)
  if (source instanceof Uint8Array) return source
  return new Uint8Array(source instanceof Blob ? await source.arrayBuffer() : source)
}

function parseUrl(source: string | URL): URL {
  try {
    return new URL(source)
  } catch (cause) {
    throw new ImageError("DOWNLOAD_FAILED", `${source} is not a valid URL.`, { cause })
  }
}

async function download(url: URL, maxBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const name = url.protocol === "data:" ? "The data URL" : url.href
  try {
    const response = await fetch(url, { signal: signal ?? null })
    if (!response.ok) {
      throw new ImageError("DOWNLOAD_FAILED", `${name} answered with status ${response.status}.`)
    }
    return await readBody(response, name, maxBytes)
  } catch (cause) {
    if (cause instanceof ImageError) throw cause
    if (signal?.aborted) throw new AbortError(signal.reason)
    throw new ImageError("DOWNLOAD_FAILED", `${name} could not be downloaded.`, { cause })
  }
}

async function readBody(response: Response, name: string, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  const reader = response.body?.getReader()
  let length = 0
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    length += next.value.length
    if (length > maxBytes) {
      await reader?.cancel()
      throw tooManyBytes(name, maxBytes)
    }
    pieces.push(next.value)
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

function tooManyBytes(name: string, maxBytes: number): ImageError {
  return new ImageError("TOO_LARGE", `${name} has more than ${maxBytes} bytes.`, {
    hint: "Raise maxBytes if you trust it.",
  })
}
