import { convertIndexedToRgb, type DecodedPng, decode, encode } from "fast-png"
import { corruptImage } from "./errors.ts"
import type { ImageChannels, Pixels } from "./pixels.ts"
import { type PngFile, readPngFile } from "./png-file.ts"

/** Fixed, so that a picture is the same file everywhere. Higher levels hardly make it smaller. */
const compressionLevel = 6

/** A PNG file of 8 bits per channel: grey, grey and alpha, RGB or RGBA, by the picture's channels. */
export function encodePng({ width, height, channels, data }: Pixels): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    encode({ width, height, channels, data, depth: 8 }, { zlib: { level: compressionLevel } }),
  )
}

/**
 * Reads a PNG file of any depth: 16 bits are rounded to 8, palettes and transparent colours become channels. Colour
 * profiles and gamma are ignored, as PIL does. Memory is bounded by the size in the header, which the caller checks.
 *
 * @throws ImageError `CORRUPT_IMAGE`, `UNSUPPORTED_FORMAT`
 */
export function decodePng(bytes: Uint8Array): Pixels {
  const file = readPngFile(bytes)
  try {
    const png = decode(file.essence, { checkCrc: true })
    return file.indexed ? palettePixels(png) : samplePixels(png, file)
  } catch (cause) {
    throw corruptImage("PNG", "cannot be decoded", cause)
  }
}

function palettePixels(png: DecodedPng): Pixels {
  const channels = png.palette?.[0]?.length === 4 ? 4 : 3
  return { width: png.width, height: png.height, channels, data: convertIndexedToRgb(png) }
}

function samplePixels(png: DecodedPng, { depth, transparentColour }: PngFile): Pixels {
  const { width, height } = png
  const samples = depth < 8 ? unpackBits(png, depth) : png.data
  const colours = png.channels
  const channels = (colours + (transparentColour ? 1 : 0)) as ImageChannels
  const scale = 255 / (2 ** depth - 1)
  const data = new Uint8Array(width * height * channels)
  for (let from = 0, to = 0; to < data.length; from += colours, to += channels) {
    for (let c = 0; c < colours; c++) data[to + c] = Math.round(samples[from + c]! * scale)
    if (transparentColour) {
      data[to + colours] = transparentColour.every((value, c) => value === samples[from + c]) ? 0 : 255
    }
  }
  return { width, height, channels, data }
}

/** Samples of fewer than 8 bits; only grey pictures have them, and every row begins with a byte of its own. */
function unpackBits({ width, height, data }: DecodedPng, depth: number): Uint8Array {
  const bytesPerRow = Math.ceil((width * depth) / 8)
  const samples = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth
      const byte = data[y * bytesPerRow + (bit >> 3)]!
      samples[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1)
    }
  }
  return samples
}
