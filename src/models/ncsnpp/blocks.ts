import type { Value } from "../../graph/builder.ts"
import { add } from "../../graph/ops/elementwise.ts"
import { concat } from "../../graph/ops/shape.ts"
import type { ConvResampling } from "../conv-resampling.ts"
import { channels, conv2d, convolve, groupNorm, linear, scaled } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import { ninAttention, ninWeights, type PointwiseWeights } from "../nin.ts"
import type { Resampling } from "../resampling.ts"
import type { Features } from "../unet2d/resnet.ts"

/** What all blocks of one network share. */
export interface BlockContext {
  readonly names: ModuleNames
  /** Classes of the blocks in Flax. */
  readonly kinds: { readonly resnet: string; readonly attention: string }
  readonly activation: (x: Value) => Value
  /** The activated embedding of the noise level [N, E]; undefined for a network that isn't told. */
  readonly embedding: Value | undefined
  /** Sums of two branches are divided by this. */
  readonly divisor: number
  /** Groups in which so many channels are normalised. */
  readonly groups: (channels: number) => number
  /** The layer of a shortcut between different widths. */
  readonly shortcut: "conv" | "nin"
}

const normEpsilon = 1e-6

export interface ResidualOptions {
  /** Channels of the result. Default: those of the input. */
  readonly out?: number
  /** A change of size on both branches, which puts a convolution on the shortcut. */
  readonly resampling?: Resampling
  /** The scale that the result should have, where a layer on the shortcut makes it free. Default 1. */
  readonly outScale?: number
}

/**
 * The residual block of DDPM or, with `resampling`, of BigGAN: norm, activation, change of size, convolution, noise
 * level, norm, activation, convolution, plus the shortcut.
 */
export function residualBlock(x: Features, context: BlockContext, options: ResidualOptions = {}): Features {
  const name = context.names.next(context.kinds.resnet)
  return x.value.builder.at(name, () => residual(name, x, context, options))
}

function residual(
  name: string,
  x: Features,
  context: BlockContext,
  { out = channels(x.value), resampling, outScale = 1 }: ResidualOptions,
): Features {
  const { activation, embedding, divisor } = context
  const resized = (h: Value): Value => resampling?.resize(h) ?? h

  const h = conv2d(`${name}.Conv_0`, resized(activation(normalized(`${name}.GroupNorm_0`, x, context))), out)
  const offset = embedding && linear(`${name}.Dense_0`, embedding, out)
  const normed = normalized(`${name}.GroupNorm_1`, plain(h), context, offset)

  const free = resampling !== undefined || out !== channels(x.value)
  const scale = free ? outScale : x.scale / divisor
  const gain = 1 / (divisor * scale)
  const residue = conv2d(`${name}.Conv_1`, activation(normed), out, { gain })
  if (!free) return { value: add(x.value, residue), scale }

  const { weight, bias } = shortcutWeights(name, x.value, out, context)
  const [kernel, shift] = [scaled(weight, x.scale * gain), scaled(bias, gain)]
  const value = resampling
    ? add(resampling.pointwise(x.value, kernel, shift), residue)
    : convolve(x.value, kernel, shift, { onto: residue })
  return { value, scale }
}

function shortcutWeights(name: string, x: Value, out: number, { shortcut }: BlockContext): PointwiseWeights {
  if (shortcut === "nin") return ninWeights(`${name}.NIN_0`, x, out)
  return {
    weight: x.builder.parameter(`${name}.Conv_2.weight`, [out, channels(x), 1, 1]),
    bias: x.builder.parameter(`${name}.Conv_2.bias`, [out]),
  }
}

/** Self-attention over the pixels with norm and residual connection. */
export function attentionBlock(x: Features, context: BlockContext): Features {
  const name = context.names.next(context.kinds.attention)
  return x.value.builder.at(name, () => {
    const mixed = ninAttention(name, normalized(`${name}.GroupNorm_0`, x, context), 1 / x.scale)
    return { value: add(x.value, mixed), scale: x.scale / context.divisor }
  })
}

/**
 * A change of size by a convolution, in a module of its own.
 *
 * @param scale that the result should have.
 */
export function resampledConv(
  name: string,
  x: Features,
  out: number,
  scale: number,
  { prepare, window }: ConvResampling,
): Features {
  const { builder } = x.value
  const weight = builder.parameter(`${name}.weight`, [out, channels(x.value), 3, 3])
  const bias = builder.parameter(`${name}.bias`, [out])
  const value = builder.at(name, () =>
    convolve(prepare(x.value), scaled(weight, x.scale / scale), scaled(bias, 1 / scale), window),
  )
  return { value, scale }
}

/**
 * The 1×1 convolution that brings the shrunk input `picture` to the width of `h`, where both are joined.
 */
export function combined(picture: Value, h: Features, method: "sum" | "cat", names: ModuleNames): Features {
  const name = names.next("Combine")
  return picture.builder.at(name, () => {
    const drawn = conv2d(`${name}.Conv_0`, picture, channels(h.value), { kernel: 1, gain: 1 / h.scale })
    return { value: method === "sum" ? add(drawn, h.value) : concat([drawn, h.value], 1), scale: h.scale }
  })
}

/** Norm, activation and convolution: how features become a picture. */
export function drawPicture(h: Features, out: number, context: BlockContext): Value {
  const normed = normalized(context.names.next("GroupNorm"), h, context)
  return conv2d(context.names.next("Conv"), context.activation(normed), out)
}

/** Features as they are. */
export function plain(value: Value): Features {
  return { value, scale: 1 }
}

function normalized(name: string, h: Features, { groups }: BlockContext, offset?: Value): Value {
  const epsilon = normEpsilon / h.scale ** 2
  return groupNorm(name, h.value, { groups: groups(channels(h.value)), epsilon, ...(offset && { offset }) })
}
