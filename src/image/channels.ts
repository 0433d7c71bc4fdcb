import type { ImageChannels, Pixels } from "./pixels.ts"

/**
 * The same picture with other channels. Grey is spread over RGB; RGB becomes grey by the luma of ITU-R BT.601 in the
 * fixed-point form of PIL's mode L; a new alpha is opaque, an alpha that goes is dropped without blending.
 */
export function convertChannels(pixels: Pixels, channels: ImageChannels): Pixels {
  if (pixels.channels === channels) return pixels
  const { width, height, data: source } = pixels
  const data = new Uint8Array(width * height * channels)
  const fromColour = pixels.channels >= 3
  const fromAlpha = pixels.channels % 2 === 0
  const toColour = channels >= 3
  const toAlpha = channels % 2 === 0
  for (let from = 0, to = 0; to < data.length; from += pixels.channels, to += channels) {
    const red = source[from]!
    const green = fromColour ? source[from + 1]! : red
    const blue = fromColour ? source[from + 2]! : red
    if (toColour) {
      data[to] = red
      data[to + 1] = green
      data[to + 2] = blue
    } else {
      data[to] = fromColour ? (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16 : red
    }
    if (toAlpha) data[to + channels - 1] = fromAlpha ? source[from + pixels.channels - 1]! : 255
  }
  return { width, height, channels, data }
}
