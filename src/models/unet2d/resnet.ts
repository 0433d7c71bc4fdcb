import type { Value } from "../../graph/builder.ts"
import { add, mul, silu } from "../../graph/ops/elementwise.ts"
import { concat, reshape, split } from "../../graph/ops/shape.ts"
import {
  activation,
  channels,
  conv2d,
  convolve,
  groupNorm,
  linear,
  scaled,
  selfAttention,
  sum,
} from "../layers.ts"
import type { Resampling } from "../resampling.ts"
import type { UNet2DConfig } from "./config.ts"

/** What all blocks of one network share. */
export interface BlockContext {
  readonly config: UNet2DConfig
  /** The time (and class) embedding [N, E]. */
  readonly embedding: Value
  /** The same behind the activation function, as most resnets take it. */
  readonly activated: Value
}

/**
 * Features, known up to a factor: they are `value` times `scale`. NCSN++ divides every sum by √2; keeping that number
 * aside until a convolution or a norm absorbs it saves a pass over memory each time.
 */
export interface Features {
  readonly value: Value
  readonly scale: number
}

export interface ResnetOptions {
  readonly out: number
  readonly groups: number
  /** Groups of the second norm; `groups` where absent. */
  readonly groupsOut?: number
  /** Sum of shortcut and residue is divided by this. Default 1. */
  readonly divisor?: number
  /** Changes the size of the image inside the block, on both branches. */
  readonly resampling?: Resampling
  /** A 1×1 convolution on the shortcut even where the channels stay the same. */
  readonly convShortcut?: boolean
  /** The scale that the result should have, where a convolution on the shortcut makes it free. Default 1. */
  readonly outScale?: number
}

/**
 * Diffusers' `ResnetBlock2D`: norm, activation, (resample,) convolution, time embedding, norm, activation, convolution,
 * plus the shortcut.
 */
export function resnetBlock(
  name: string,
  x: Features,
  context: BlockContext,
  options: ResnetOptions,
): Features {
  return x.value.builder.at(name, () => resnet(name, x, context, options))
}

function resnet(name: string, x: Features, context: BlockContext, options: ResnetOptions): Features {
  const { config } = context
  const { out, groups, groupsOut = groups, divisor = 1, resampling, convShortcut = false } = options
  const act = activation(config.actFn)
  const resized = (h: Value): Value => resampling?.resize(h) ?? h

  const norm1 = groupNorm(`${name}.norm1`, x.value, { groups, epsilon: config.normEps / x.scale ** 2 })
  const h = conv2d(`${name}.conv1`, resized(act(norm1)), out)

  const norm2 = { groups: groupsOut, epsilon: config.normEps }
  let conditioned: Value
  if (config.resnetTimeScaleShift === "scale_shift") {
    const [factor, shift] = timeFactors(`${name}.time_emb_proj`, context.activated, out)
    conditioned = add(mul(groupNorm(`${name}.norm2`, h, norm2), factor), shift)
  } else {
    const offset = linear(`${name}.time_emb_proj`, context.activated, out)
    conditioned = groupNorm(`${name}.norm2`, h, { ...norm2, offset })
  }

  const shortcutConv = convShortcut || channels(x.value) !== out
  const scale = shortcutConv ? (options.outScale ?? 1) : x.scale / divisor
  const gain = 1 / (divisor * scale)
  const residue = conv2d(`${name}.conv2`, act(conditioned), out, { gain })
  if (shortcutConv) {
    const { builder } = x.value
    const weight = builder.parameter(`${name}.conv_shortcut.weight`, [out, channels(x.value), 1, 1])
    const kernel = scaled(weight, x.scale * gain)
    const bias = scaled(builder.parameter(`${name}.conv_shortcut.bias`, [out]), gain)
    const value = resampling
      ? sum(resampling.pointwise(x.value, kernel, bias), residue)
      : convolve(x.value, kernel, bias, { onto: residue })
    return { value, scale }
  }
  return { value: sum(resized(x.value), residue), scale }
}

/** Factors (around 1) and summands for `count` channels that the layer `name` makes of an embedding: [N, C, 1, 1] both. */
export function timeFactors(
  name: string,
  embedding: Value,
  count: number,
): readonly [factor: Value, shift: Value] {
  const halves = split(linear(name, embedding, 2 * count), 1, [count, count])
  const [factor, shift] = halves.map(half => reshape(half, [half.shape[0]!, count, 1, 1]))
  return [add(factor!, 1), shift!]
}

export interface AttentionBlockOptions {
  /** Groups of the norm in front; null leaves it out. */
  readonly groups: number | null
  /** Sum of input and result is divided by this. Default 1. */
  readonly divisor?: number
}

/** Self-attention with norm and residual connection, as Diffusers' `Attention` over a picture's pixels. */
export function attentionBlock(
  name: string,
  x: Features,
  context: BlockContext,
  options: AttentionBlockOptions,
): Features {
  return x.value.builder.at(name, () => attention(name, x, context, options))
}

function attention(
  name: string,
  x: Features,
  { config }: BlockContext,
  { groups, divisor = 1 }: AttentionBlockOptions,
): Features {
  const epsilon = config.normEps / x.scale ** 2
  const input =
    groups === null ? scaled(x.value, x.scale) : groupNorm(`${name}.group_norm`, x.value, { groups, epsilon })
  const mixed = selfAttention(name, input, {
    headDim: config.attentionHeadDim ?? channels(x.value),
    gain: 1 / x.scale,
    names: { query: "to_q", key: "to_k", value: "to_v", out: "to_out.0" },
  })
  return { value: sum(mixed, x.value), scale: x.scale / divisor }
}

/** Two sets of features side by side, brought to the scale of the second. */
export function joined(h: Features, beside: Features): Features {
  return { value: concat([scaled(h.value, h.scale / beside.scale), beside.value], 1), scale: beside.scale }
}

/** Norm, SiLU (whatever activation the configuration names) and convolution: how features become a picture. */
export function drawPicture(
  h: Features,
  names: { readonly norm: string; readonly conv: string },
  options: { readonly groups: number; readonly out: number; readonly epsilon: number },
): Value {
  const { groups, out } = options
  const normalized = groupNorm(names.norm, h.value, { groups, epsilon: options.epsilon / h.scale ** 2 })
  return h.value.builder.at(names.conv, () => conv2d(names.conv, silu(normalized), out))
}
