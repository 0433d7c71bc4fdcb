import { Image } from "../src/index.ts"

/** Repeats every pixel, since pictures of 32 pixels are small on today's screens. */
export function enlarge({ width, height, channels, data }: Image, scale: number): Image {
  const large = new Uint8Array(data.length * scale * scale)
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels
      large.set(data.subarray(from, from + channels), (y * width * scale + x) * channels)
    }
  }
  return new Image({ width: width * scale, height: height * scale, channels, data: large })
}
