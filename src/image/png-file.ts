import { Unzlib } from "fflate"
import { corruptImage, ImageError } from "./errors.ts"

/** A PNG file, taken apart (W3C, Portable Network Graphics, third edition). */
export interface PngFile {
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number
  /** Whether the samples are places in a palette. */
  readonly indexed: boolean
  /** The samples of the one colour that is transparent, in a grey or RGB picture that has one. */
  readonly transparentColour: readonly number[] | undefined
  /** A file of the chunks that make the pixels and no others. */
  readonly essence: Uint8Array<ArrayBuffer>
}

interface Header {
  readonly width: number
  readonly height: number
  readonly depth: number
  readonly colourType: number
  readonly interlaced: boolean
}

interface Chunk {
  readonly type: string
  readonly data: Uint8Array
  /** With length, type and checksum. */
  readonly whole: Uint8Array
}

const signatureLength = 8
/** By colour type: grey, RGB, palette, grey and alpha, RGB and alpha. */
const samplesPerPixel: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const paletteType = 3

/**
 * Takes apart a file that begins with PNG's signature. Its compressed data must hold what its size needs, no more and
 * no less; that is found out without keeping it, so the caller bounds all memory by bounding the size in the header.
 *
 * @throws ImageError `CORRUPT_IMAGE`, `UNSUPPORTED_FORMAT`
 */
export function readPngFile(bytes: Uint8Array): PngFile {
  const chunks = readChunks(bytes)
  const header = readHeader(chunks)
  const data = chunks.filter(({ type }) => type === "IDAT")
  checkInflatedLength(data, inflatedLength(header))

  const indexed = header.colourType === paletteType
  const colour = header.colourType < paletteType && chunks.find(({ type }) => type === "tRNS")
  const essential = indexed ? ["IHDR", "PLTE", "tRNS", "IEND"] : ["IHDR", "IEND"]
  return {
    depth: header.depth,
    indexed,
    transparentColour: colour ? wordsOf(colour, samplesPerPixel[header.colourType]!) : undefined,
    essence: concatenate([
      bytes.subarray(0, signatureLength),
      ...chunks.filter(({ type }) => type === "IDAT" || essential.includes(type)).map(({ whole }) => whole),
    ]),
  }
}

function readChunks(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const chunks: Chunk[] = []
  let offset = signatureLength
  while (chunks.at(-1)?.type !== "IEND") {
    // Length and type before the data, a checksum behind it.
    if (offset + 12 > bytes.length) throw corruptPng("is cut short")
    const length = view.getUint32(offset)
    const end = offset + 12 + length
    if (end > bytes.length) throw corruptPng("is cut short")
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8))
    chunks.push({ type, data: bytes.subarray(offset + 8, end - 4), whole: bytes.subarray(offset, end) })
    offset = end
  }
  return chunks
}

function readHeader([first]: readonly Chunk[]): Header {
  if (first?.type !== "IHDR" || first.data.length !== 13) throw corruptPng("does not begin with a header")
  const view = new DataView(first.data.buffer, first.data.byteOffset)
  const header = {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth: view.getUint8(8),
    colourType: view.getUint8(9),
    interlaced: view.getUint8(12) !== 0,
  }
  if (header.width === 0 || header.height === 0) throw corruptPng("has no pixels")
  if (![1, 2, 4, 8, 16].includes(header.depth) || samplesPerPixel[header.colourType] === undefined) {
    throw corruptPng("has a header of no known colour type")
  }
  if (header.interlaced && header.depth < 8) {
    throw new ImageError(
      "UNSUPPORTED_FORMAT",
      `The PNG file is interlaced, with ${header.depth} bits per sample.`,
      {
        hint: "Save it without interlacing.",
      },
    )
  }
  return header
}

/** The bytes of all scanlines with their filter bytes; interlaced (Adam7), of seven smaller pictures. */
function inflatedLength({ width, height, depth, colourType, interlaced }: Header): number {
  const bitsPerPixel = depth * samplesPerPixel[colourType]!
  const scanlines = (columns: number, rows: number): number =>
    columns === 0 ? 0 : rows * (1 + Math.ceil((columns * bitsPerPixel) / 8))
  if (!interlaced) return scanlines(width, height)
  const every = (size: number, step: number, start: number): number => Math.ceil((size - start) / step)
  return (
    scanlines(every(width, 8, 0), every(height, 8, 0)) +
    scanlines(every(width, 8, 4), every(height, 8, 0)) +
    scanlines(every(width, 4, 0), every(height, 8, 4)) +
    scanlines(every(width, 4, 2), every(height, 4, 0)) +
    scanlines(every(width, 2, 0), every(height, 4, 2)) +
    scanlines(every(width, 2, 1), every(height, 2, 0)) +
    scanlines(every(width, 1, 0), every(height, 2, 1))
  )
}

/** Compressed bytes can grow a thousandfold, so they are inflated in small pieces. */
const pieceLength = 2 ** 12

function checkInflatedLength(data: readonly Chunk[], expected: number): void {
  let length = 0
  const inflater = new Unzlib(piece => {
    length += piece.length
  })
  try {
    for (const chunk of data) {
      for (let start = 0; start < chunk.data.length && length <= expected; start += pieceLength) {
        inflater.push(chunk.data.subarray(start, start + pieceLength))
      }
    }
  } catch (cause) {
    throw corruptPng("holds compressed data that is damaged", cause)
  }
  if (length !== expected) {
    throw corruptPng(`holds ${length < expected ? "fewer" : "more"} pixels than its header says`)
  }
}

function wordsOf({ data }: Chunk, count: number): number[] {
  if (data.length !== 2 * count) throw corruptPng("names no proper transparent colour")
  return Array.from({ length: count }, (_, i) => (data[2 * i]! << 8) | data[2 * i + 1]!)
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

function corruptPng(what: string, cause?: unknown): ImageError {
  return corruptImage("PNG", what, cause)
}
