import type { Value } from "../graph/builder.ts"
import { conv } from "../graph/ops/convolution.ts"
import { matmul } from "../graph/ops/matmul.ts"
import { softmax } from "../graph/ops/reduction.ts"
import { reshape, transpose } from "../graph/ops/shape.ts"
import { channels, scaled } from "./layers.ts"

// DDPM's "network in network": a 1×1 convolution whose weight is a matrix that pixels are multiplied with from the left.

/** Weight [out, C, 1, 1] and bias [out] of a 1×1 convolution. */
export interface PointwiseWeights {
  readonly weight: Value
  readonly bias: Value
}

/** The parameters `name.W` [C, out] and `name.b` [out] of a layer on `x` [N, C, H, W], as a convolution takes them. */
export function ninWeights(name: string, x: Value, out: number): PointwiseWeights {
  const { builder } = x
  const matrix = builder.parameter(`${name}.W`, [channels(x), out])
  const bias = builder.parameter(`${name}.b`, [out])
  return { weight: reshape(transpose(matrix, [1, 0]), [out, channels(x), 1, 1]), bias }
}

/**
 * Self-attention over the pixels of `x` [N, C, H, W] with one head: softmax(QᵀK/√C)Vᵀ between the layers `name.NIN_0`
 * to `name.NIN_3`.
 *
 * @param gain a factor on the result, which goes into the last layer.
 */
export function ninAttention(name: string, x: Value, gain: number): Value {
  const [batch, count, height, width] = x.shape as readonly [Value["shape"][number], number, number, number]
  const layer = (i: number, input: Value, factor = 1): Value => {
    const { weight, bias } = ninWeights(`${name}.NIN_${i}`, input, count)
    return conv(input, scaled(weight, factor), scaled(bias, factor))
  }
  const pixels = (h: Value): Value => reshape(h, [batch, count, height * width])
  const [query, key, value] = [layer(0, x, count ** -0.5), layer(1, x), layer(2, x)].map(pixels)
  const weights = softmax(matmul(transpose(query!, [0, 2, 1]), key!))
  const mixed = matmul(value!, transpose(weights, [0, 2, 1]))
  return layer(3, reshape(mixed, [batch, count, height, width]), gain)
}
