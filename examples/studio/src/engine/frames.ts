// Tensors as pictures.
import type { Image, Tensor } from "score-sde"
import type { Frame } from "./protocol.ts"

/** What black and white are in a model's pictures. */
export type Range = readonly [black: number, white: number]

// The contrast of a busy picture, as the deviation from middle grey where black is 0 and white 1.
const pictureContrast = 0.45

/**
 * A noisy batch [N, C, H, W] as RGBA. However strong the noise is, it gets the contrast of a picture, so that it fades
 * as it does for the network: by its relation to the signal.
 */
export function frameOfSample(x: Tensor<"float32">, [black, white]: Range): Frame {
  const middle = (black + white) / 2
  let sum = 0
  for (const value of x.data) sum += (value - middle) ** 2
  const contrast = Math.sqrt(sum / x.data.length) / (white - black)
  const factor = (255 / (white - black)) * Math.min(1, pictureContrast / contrast)
  return paint(x, factor, 127.5 - middle * factor)
}

/** A batch [N, C, H, W] of pictures as RGBA. */
export function frameOfPictures(x: Tensor<"float32">, [black, white]: Range): Frame {
  const factor = 255 / (white - black)
  return paint(x, factor, -black * factor)
}

function paint({ shape, data }: Tensor<"float32">, factor: number, offset: number): Frame {
  const [count, channels, height, width] = shape as readonly [number, number, number, number]
  const pixels = width * height
  const rgba = new Uint8ClampedArray(count * pixels * 4)
  for (let n = 0, to = 0; n < count; n++) {
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < 3; c++) {
        const channel = channels >= 3 ? c : 0
        rgba[to++] = data[(n * channels + channel) * pixels + p]! * factor + offset
      }
      rgba[to++] = 255
    }
  }
  return { count, width, height, rgba }
}

/** Finished pictures as RGBA. */
export function frameOfImages(images: readonly Image[]): Frame {
  const { width, height } = images[0]!
  const rgba = new Uint8ClampedArray(images.length * width * height * 4)
  for (const [i, image] of images.entries()) rgba.set(image.toChannels(4).data, i * width * height * 4)
  return { count: images.length, width, height, rgba }
}
