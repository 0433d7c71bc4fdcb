import type { Value } from "../graph/builder.ts"
import type { ConvolutionOptions } from "../graph/ops/convolution.ts"
import { conv } from "../graph/ops/convolution.ts"
import { nearestUpsample } from "../graph/ops/resize.ts"
import { channels } from "./layers.ts"

/** A change of the image's size by 2 that a 3×3 convolution completes. */
export interface ConvResampling {
  /** What comes before the convolution. */
  readonly prepare: (x: Value) => Value
  /** How the convolution moves. */
  readonly window: ConvolutionOptions
}

/** Halves the image by the step of the convolution; one row of zeros below and one column right, as TensorFlow pads. */
export const stridedConv: ConvResampling = {
  prepare: x => x,
  window: { stride: 2, padding: [0, 0, 1, 1] },
}

/** Doubles the image by repeating pixels, then convolves. */
export const repeatedConv: ConvResampling = {
  prepare: x => nearestUpsample(x, 2),
  window: { padding: 1 },
}

// With the FIR filter of StyleGAN2 the filtered image is one pixel larger on every side than without a convolution,
// which then needs no padding.

/** Filters with [1, 3, 3, 1], then halves the image by the step of the convolution. */
export const firStridedConv: ConvResampling = {
  prepare: x => filtered(x, [1, 3, 3, 1]),
  window: { stride: 2, padding: 0 },
}

/**
 * Doubles the image with the filter [1, 3, 3, 1] (which is [1, 2, 1] over repeated pixels), then convolves. A transposed
 * convolution of step 2 with the filter behind it gives the same: the two commute.
 */
export const firRepeatedConv: ConvResampling = {
  prepare: x => filtered(nearestUpsample(x, 2), [1, 2, 1]),
  window: { padding: 0 },
}

// Every channel filtered with the outer product of `taps` with itself, of sum 1, and with two pixels of zeros around.
function filtered(x: Value, taps: readonly number[]): Value {
  const count = channels(x)
  const size = taps.length
  const weight = x.builder.shared(`filter ${taps} for ${count} channels`, () => {
    const total = taps.reduce((a, b) => a + b, 0) ** 2
    const filter = taps.flatMap(a => taps.map(b => (a * b) / total))
    const data = Float32Array.from({ length: count * size ** 2 }, (_, i) => filter[i % size ** 2]!)
    return x.builder.constant("float32", [count, 1, size, size], data)
  })
  return conv(x, weight, undefined, { padding: 2, groups: count })
}
