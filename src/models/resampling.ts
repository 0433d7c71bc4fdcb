import type { Value } from "../graph/builder.ts"
import { conv, convTranspose } from "../graph/ops/convolution.ts"
import { averagePool } from "../graph/ops/pooling.ts"
import { nearestUpsample } from "../graph/ops/resize.ts"
import { pad } from "../graph/ops/shape.ts"
import { channels } from "./layers.ts"

/** A change of the image's size by 2. */
export interface Resampling {
  readonly resize: (x: Value) => Value
  /**
   * The resized image behind a 1×1 convolution. The two commute, so the convolution runs on the smaller image.
   * `weight` is [M, C, 1, 1], `bias` [M].
   */
  readonly pointwise: (x: Value, weight: Value, bias: Value) => Value
}

function downsampling(resize: (x: Value) => Value): Resampling {
  return { resize, pointwise: (x, weight, bias) => conv(resize(x), weight, bias) }
}

/**
 * Halves the image with the separable filter [1, 3, 3, 1] (StyleGAN2's `upfirdn2d`), as an exact depthwise
 * convolution: 4×4 window, stride 2, one pixel of zeros around.
 */
export const firDownsampling: Resampling = downsampling(x =>
  conv(x, depthwise(x, [1, 3, 3, 1]), undefined, { stride: 2, padding: 1, groups: channels(x) }),
)

/** Halves the image by taking the mean of every 2×2 square. */
export const averageDownsampling: Resampling = downsampling(x => averagePool(x, 2))

/** Doubles the image by repeating every pixel. */
export const nearestUpsampling: Resampling = {
  resize: x => nearestUpsample(x, 2),
  pointwise: (x, weight, bias) => nearestUpsample(conv(x, weight, bias), 2),
}

/**
 * Doubles the image with the same FIR filter, scaled by 4 to keep brightness. Each new pixel is ¾ of its source and ¼
 * of the neighbour per direction, which is exactly [1, 2, 1]/4 over repeated pixels with zeros around.
 */
export const firUpsampling: Resampling = {
  resize: x => firUpsample(x),
  // The zeros around the image would darken the bias at the border, so it is added at the end.
  pointwise: (x, weight, bias) => firUpsample(conv(x, weight), bias),
}

/** Halves the image with the filter of {@link firDownsampling} and mirrored borders, as Katherine Crowson's blocks do. */
export function mirroredDownsample(x: Value): Value {
  return conv(mirrored(x), depthwise(x, [1, 3, 3, 1]), undefined, { stride: 2, groups: channels(x) })
}

/** Doubles the image with the same filter and mirrored borders. */
export function mirroredUpsample(x: Value): Value {
  const filter = depthwise(x, [1, 3, 3, 1], 4)
  return convTranspose(mirrored(x), filter, undefined, { stride: 2, padding: 3, groups: channels(x) })
}

function mirrored(x: Value): Value {
  return pad(x, [0, 0, 1, 1], [0, 0, 1, 1], "reflect")
}

function firUpsample(x: Value, bias?: Value): Value {
  return conv(nearestUpsample(x, 2), depthwise(x, [1, 2, 1]), bias, { padding: 1, groups: channels(x) })
}

// The outer product of `taps` with itself, scaled to the sum `gain`, for every channel: [C, 1, k, k].
function depthwise(x: Value, taps: readonly number[], gain = 1): Value {
  const count = channels(x)
  return x.builder.shared(`depthwise ${taps} · ${gain} for ${count} channels`, () => {
    const sum = taps.reduce((a, b) => a + b, 0) ** 2
    const kernel = taps.flatMap(a => taps.map(b => (a * b * gain) / sum))
    const data = Float32Array.from({ length: count * kernel.length }, (_, i) => kernel[i % kernel.length]!)
    return x.builder.constant("float32", [count, 1, taps.length, taps.length], data)
  })
}
