import { convertChannels } from "./channels.ts"
import { ImageError } from "./errors.ts"
import { Image } from "./image.ts"
import type { ImageChannels } from "./pixels.ts"

/** The look of a grid. */
export interface GridOptions {
  /** Pictures in a row; by default the grid is as square as can be, and rather wide than high. */
  readonly columns?: number
  /** Pixels between pictures and around them; by default 2. */
  readonly padding?: number
  /** What shows between the pictures: a grey level or one value per channel, 0–255; by default white. */
  readonly background?: number | readonly number[]
}

/**
 * Lays pictures of one size out in rows, from left to right. The grid has as many channels as the richest of them.
 *
 * @throws ImageError `INVALID_IMAGE` when there are no pictures, their sizes differ, or an option makes no sense.
 */
export function makeGrid(images: readonly Image[], options: GridOptions = {}): Image {
  const first = images[0]
  if (first === undefined) {
    throw new ImageError("INVALID_IMAGE", "A grid needs at least one picture.")
  }
  const { columns = Math.ceil(Math.sqrt(images.length)), padding = 2, background = 255 } = options
  const { width, height } = first
  const channels = Math.max(...images.map(image => image.channels)) as ImageChannels
  const rows = Math.ceil(images.length / columns)
  const gridWidth = columns * (width + padding) + padding
  const gridHeight = rows * (height + padding) + padding
  const data = new Uint8Array(gridWidth * gridHeight * channels)
  const colour = typeof background === "number" ? Array(channels).fill(background) : background
  for (let i = 0; i < data.length; i++) data[i] = colour[i % channels]!
  images.forEach((image, n) => {
    const pixels = convertChannels(image, channels)
    const left = padding + (n % columns) * (width + padding)
    const top = padding + Math.floor(n / columns) * (height + padding)
    const line = width * channels
    for (let y = 0; y < height; y++) {
      data.set(pixels.data.subarray(y * line, (y + 1) * line), ((top + y) * gridWidth + left) * channels)
    }
  })
  return new Image({ width: gridWidth, height: gridHeight, channels, data })
}
