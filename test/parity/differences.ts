import { strictEqual } from "node:assert/strict"
import type { Image } from "../../src/image/image.ts"
import type { Tensor } from "../../src/tensor.ts"

/** The largest difference of two arrays, as a share of the largest magnitude in `expected`; NaN if either has one. */
export function relativeDifference(found: Tensor, expected: Tensor): number {
  strictEqual(found.shape.join(), expected.shape.join(), "the shapes differ")
  let difference = 0
  let largest = 0
  for (let i = 0; i < expected.data.length; i++) {
    const [a, b] = [Number(found.data[i]), Number(expected.data[i])]
    difference = Math.max(difference, Math.abs(a - b))
    largest = Math.max(largest, Math.abs(b))
  }
  return difference / largest
}

/**
 * The share of pixels of which some channel is more than one grey level off.
 *
 * @param expected uint8 [N, H, W, C].
 */
export function shareOfWrongPixels(images: readonly Image[], expected: Tensor): number {
  const [count, height, width, channels] = expected.shape as readonly [number, number, number, number]
  strictEqual(images.length, count, "the number of pictures differs")
  let wrong = 0
  for (const [n, image] of images.entries()) {
    strictEqual([image.height, image.width, image.channels].join(), [height, width, channels].join())
    for (let pixel = 0; pixel < height * width; pixel++) {
      const at = (n * height * width + pixel) * channels
      const levels = image.data.subarray(pixel * channels, (pixel + 1) * channels)
      if (levels.some((level, c) => Math.abs(level - Number(expected.data[at + c])) > 1)) wrong++
    }
  }
  return wrong / (count * height * width)
}
