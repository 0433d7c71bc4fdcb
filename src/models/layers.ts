import type { Value } from "../graph/builder.ts"
import { conv, convTranspose } from "../graph/ops/convolution.ts"
import { add, gelu, mish, mul, relu, silu } from "../graph/ops/elementwise.ts"
import * as matmulOps from "../graph/ops/matmul.ts"
import { instanceNormalization } from "../graph/ops/normalization.ts"
import { averagePool } from "../graph/ops/pooling.ts"
import { softmax } from "../graph/ops/reduction.ts"
import { expand, pad, reshape, transpose } from "../graph/ops/shape.ts"

// The parts that all networks here are made of. Each takes the prefix of its parameters' names first, as the
// checkpoints write it, and declares its parameters itself. Images are [N, C, H, W].

/** Number of channels of an image. */
export function channels(x: Value): number {
  return x.shape[1] as number
}

/** Height and width of an image. */
export function imageSize(x: Value): readonly [height: number, width: number] {
  return [x.shape[2] as number, x.shape[3] as number]
}

export interface Conv2dOptions {
  /** Side of the window. Default 3. */
  readonly kernel?: number
  readonly stride?: number
  /** Pixels of zeros on each side. Default: what keeps the size at stride 1. */
  readonly padding?: number | readonly [top: number, left: number, bottom: number, right: number]
}

/** A convolution with bias: `name.weight` [out, in, k, k] and `name.bias` [out]. */
export function conv2d(name: string, x: Value, out: number, options: Conv2dOptions = {}): Value {
  const { kernel = 3, stride = 1, padding = (kernel - 1) / 2 } = options
  const { builder } = x
  return builder.at(name, () => {
    const weight = builder.parameter(`${name}.weight`, [out, channels(x), kernel, kernel])
    return conv(x, weight, builder.parameter(`${name}.bias`, [out]), { stride, padding })
  })
}

/** A fully connected layer on `x` [N, I]: `name.weight` [out, I] and `name.bias` [out]. */
export function linear(name: string, x: Value, out: number): Value {
  const { builder } = x
  return builder.at(name, () => {
    const weight = builder.parameter(`${name}.weight`, [out, x.shape[1] as number])
    return matmulOps.linear(x, weight, builder.parameter(`${name}.bias`, [out]))
  })
}

/**
 * Group normalisation (Wu & He 2018): channels in `groups` equal groups, each brought to mean 0 and variance 1 over the
 * group and the image, then scaled and shifted per channel by `name.weight` and `name.bias` [C].
 */
export function groupNorm(name: string, x: Value, groups: number, epsilon: number): Value {
  const { builder } = x
  const count = channels(x)
  return builder.at(name, () => {
    const one = builder.constant("float32", [groups], new Float32Array(groups).fill(1))
    const zero = builder.constant("float32", [groups], new Float32Array(groups))
    const grouped = reshape(x, [x.shape[0]!, groups, -1])
    const normalized = reshape(instanceNormalization(grouped, one, zero, epsilon), x.shape)
    const perChannel = (parameter: Value): Value => reshape(parameter, [count, 1, 1])
    const scaled = mul(normalized, perChannel(builder.parameter(`${name}.weight`, [count])))
    return add(scaled, perChannel(builder.parameter(`${name}.bias`, [count])))
  })
}

export type Activation = "silu" | "swish" | "mish" | "gelu" | "relu"

/** The activation functions that a configuration can name. */
export const activations: Readonly<Record<Activation, (x: Value) => Value>> = {
  silu,
  swish: silu,
  mish,
  gelu,
  relu,
}

/**
 * Halves the image with the separable filter [1, 3, 3, 1] (StyleGAN2's `upfirdn2d`), as an exact depthwise
 * convolution: 4×4 window, stride 2, one pixel of zeros around.
 */
export function firDownsample(x: Value): Value {
  return conv(x, firKernel(x, 64), undefined, { stride: 2, padding: 1, groups: channels(x) })
}

/** Doubles the image with the same filter: the depthwise transposed convolution, scaled by 4 to keep brightness. */
export function firUpsample(x: Value): Value {
  return convTranspose(x, firKernel(x, 16), undefined, { stride: 2, padding: 1, groups: channels(x) })
}

function firKernel(x: Value, divisor: number): Value {
  const taps = [1, 3, 3, 1]
  const kernel = taps.flatMap(a => taps.map(b => (a * b) / divisor))
  const weights = Array.from({ length: channels(x) }, () => kernel).flat()
  return x.builder.constant("float32", [channels(x), 1, 4, 4], Float32Array.from(weights))
}

/** Doubles the image by repeating every pixel. */
export function nearestUpsample(x: Value): Value {
  const [height, width] = imageSize(x)
  const [batch, count] = x.shape
  const cells = reshape(x, [batch!, count!, height, 1, width, 1])
  return reshape(expand(cells, [1, 1, 1, 2, 1, 2]), [batch!, count!, 2 * height, 2 * width])
}

/** Halves the image by taking the mean of every 2×2 square. */
export function averageDownsample(x: Value): Value {
  return averagePool(x, 2)
}

/** Adds a row of zeros below and a column on the right. */
export function padBottomRight(x: Value): Value {
  return pad(x, [0, 0, 0, 0], [0, 0, 1, 1])
}

export interface AttentionOptions {
  /** Channels per head. */
  readonly headDim: number
  /** Names of the four projections, as the checkpoint has them. */
  readonly names: {
    readonly query: string
    readonly key: string
    readonly value: string
    readonly out: string
  }
}

/**
 * Self-attention over the pixels: softmax(QᵀK/√d)Vᵀ per head, with projections before and after.
 * `x` [N, C, H, W] is already normalised; the result has the same shape.
 */
export function selfAttention(name: string, x: Value, { headDim, names }: AttentionOptions): Value {
  const { builder } = x
  const [batch, count, height, width] = x.shape as readonly [Value["shape"][number], number, number, number]
  const heads = Math.floor(count / headDim)
  const inner = heads * headDim
  const pixels = height * width
  const project = (part: string, input: Value, out: number): Value => {
    const weight = builder.parameter(`${name}.${part}.weight`, [out, channels(input)])
    const kernel = reshape(weight, [out, channels(input), 1, 1])
    return conv(input, kernel, builder.parameter(`${name}.${part}.bias`, [out]))
  }
  return builder.at(name, () => {
    const split = (part: string): Value => reshape(project(part, x, inner), [batch, heads, headDim, pixels])
    const query = transpose(mul(split(names.query), 1 / Math.sqrt(headDim)), [0, 1, 3, 2])
    const weights = softmax(matmulOps.matmul(query, split(names.key)))
    const mixed = matmulOps.matmul(split(names.value), transpose(weights, [0, 1, 3, 2]))
    return project(names.out, reshape(mixed, [batch, inner, height, width]), count)
  })
}
