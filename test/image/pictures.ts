import fc from "fast-check"
import { Image } from "../../src/image/image.ts"
import type { ImageChannels } from "../../src/image/pixels.ts"

/** Any small picture. */
export const anyImage: fc.Arbitrary<Image> = fc
  .record({
    width: fc.integer({ min: 1, max: 17 }),
    height: fc.integer({ min: 1, max: 17 }),
    channels: fc.constantFrom(1, 2, 3, 4),
  })
  .chain(({ width, height, channels }) => {
    const length = width * height * channels
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map(data => new Image({ width, height, channels: channels as ImageChannels, data }))
  })

/** A smooth picture, whose channels differ. */
export function gradient(width: number, height: number, channels: ImageChannels): Image {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const c = i % channels
    const x = Math.floor(i / channels) % width
    const y = Math.floor(i / channels / width)
    return c === 0 ? (255 * x) / width : c === 1 ? (255 * y) / height : c === 2 ? 128 : 255 - x
  })
  return new Image({ width, height, channels, data })
}

/** A picture of one colour. */
export function plain(width: number, height: number, ...pixel: number[]): Image {
  const data = Uint8Array.from({ length: width * height * pixel.length }, (_, i) => pixel[i % pixel.length]!)
  return new Image({ width, height, channels: pixel.length as ImageChannels, data })
}

/** A picture's pixels as rows of lists, to compare at a glance. */
export function rowsOf({ width, height, channels, data }: Image): number[][][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const start = (y * width + x) * channels
      return [...data.subarray(start, start + channels)]
    }),
  )
}
