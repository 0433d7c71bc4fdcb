import { InputError } from "../errors.ts"
import { convertChannels } from "./channels.ts"
import { ImageError } from "./errors.ts"
import { Image } from "./image.ts"
import type { ImageChannels } from "./pixels.ts"

/** The look of a grid. */
export interface GridOptions {
  /** Pictures in a row; by default as many as make the grid square. */
  readonly columns?: number
  /** Pixels between the pictures and around them; by default 2. */
  readonly padding?: number
  /** What shows between the pictures, 0–255: a grey level, or a value for each channel. By default white. */
  readonly background?: number | readonly number[]
}

/**
 * Lays pictures of one size out row by row. The grid has as many channels as the richest of them.
 *
 * @throws ImageError `INVALID_IMAGE` when there is no picture or their sizes differ.
 * @throws InputError `INVALID_ARGUMENT` when an option makes no sense.
 */
export function makeGrid(images: readonly Image[], options: GridOptions = {}): Image {
  const { columns = Math.ceil(Math.sqrt(images.length)), padding = 2, background = 255 } = options
  const { width, height, channels } = commonSize(images)
  checkWhole("columns", columns, 1)
  checkWhole("padding", padding, 0)
  const rows = Math.ceil(images.length / columns)
  const gridWidth = padding + columns * (width + padding)
  const gridHeight = padding + rows * (height + padding)
  const data = filled(gridWidth * gridHeight, channels, background)
  for (const [n, image] of images.entries()) {
    const { data: source } = convertChannels(image, channels)
    const left = padding + (n % columns) * (width + padding)
    const top = padding + Math.floor(n / columns) * (height + padding)
    for (let y = 0; y < height; y++) {
      const line = source.subarray(y * width * channels, (y + 1) * width * channels)
      data.set(line, ((top + y) * gridWidth + left) * channels)
    }
  }
  return new Image({ width: gridWidth, height: gridHeight, channels, data })
}

function commonSize(images: readonly Image[]): { width: number; height: number; channels: ImageChannels } {
  const [first] = images
  if (first === undefined) throw new ImageError("INVALID_IMAGE", "There is no picture to lay out.")
  const { width, height } = first
  let { channels } = first
  for (const [n, image] of images.entries()) {
    if (image.width !== width || image.height !== height) {
      throw new ImageError(
        "INVALID_IMAGE",
        `Picture ${n} has ${image.width} × ${image.height} pixels, but picture 0 has ${width} × ${height}.`,
        { hint: "Lay out pictures of one size." },
      )
    }
    // Grey with alpha and RGB have only RGBA above both.
    const colour = channels >= 3 || image.channels >= 3
    const alpha = channels % 2 === 0 || image.channels % 2 === 0
    channels = colour ? (alpha ? 4 : 3) : alpha ? 2 : 1
  }
  return { width, height, channels }
}

function filled(pixels: number, channels: ImageChannels, background: number | readonly number[]): Uint8Array {
  const pixel = typeof background === "number" ? greyPixel(background, channels) : background
  if (
    pixel.length !== channels ||
    !pixel.every(value => Number.isInteger(value) && value >= 0 && value <= 255)
  ) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The background ${JSON.stringify(background)} does not fit ${channels} channels.`,
      { hint: `Give a grey level or ${channels} values, from 0 to 255.` },
    )
  }
  const data = new Uint8Array(pixels * channels)
  for (let i = 0; i < data.length; i++) data[i] = pixel[i % channels]!
  return data
}

/** An opaque pixel. */
function greyPixel(level: number, channels: ImageChannels): number[] {
  const pixel = Array<number>(channels).fill(level)
  if (channels % 2 === 0) pixel[channels - 1] = 255
  return pixel
}

/** @throws InputError `INVALID_ARGUMENT` when an option is no whole number from `least` up. */
export function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new InputError("INVALID_ARGUMENT", `${name} is ${value}.`, {
      hint: `Give a whole number from ${least} up.`,
    })
  }
}
