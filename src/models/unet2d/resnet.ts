import type { Value } from "../../graph/builder.ts"
import { add, div, mul, silu } from "../../graph/ops/elementwise.ts"
import { reshape, split } from "../../graph/ops/shape.ts"
import { activations, channels, conv2d, groupNorm, linear, selfAttention } from "../layers.ts"
import type { UNet2DConfig } from "./config.ts"

/** What all blocks of one network share. */
export interface BlockContext {
  readonly config: UNet2DConfig
  /** The time (and class) embedding [N, E]. */
  readonly embedding: Value
}

export interface ResnetOptions {
  readonly out: number
  readonly groups: number
  /** Groups of the second norm; `groups` where absent. */
  readonly groupsOut?: number
  /** Sum of shortcut and residue is divided by this. Default 1. */
  readonly scale?: number
  /** Changes the size of the image inside the block, on both branches. */
  readonly resample?: (x: Value) => Value
  /** A 1×1 convolution on the shortcut even where the channels stay the same. */
  readonly convShortcut?: boolean
}

/**
 * Diffusers' `ResnetBlock2D`: norm, activation, (resample,) convolution, time embedding, norm, activation, convolution,
 * plus the shortcut.
 */
export function resnetBlock(name: string, x: Value, context: BlockContext, options: ResnetOptions): Value {
  const { config, embedding } = context
  const { out, groups, groupsOut = groups, scale = 1, resample = same, convShortcut = false } = options
  const activation = activations[config.actFn]
  const scaleShift = config.resnetTimeScaleShift === "scale_shift"
  const norm1 = groupNorm(`${name}.norm1`, x, groups, config.normEps)
  const h = conv2d(`${name}.conv1`, resample(activation(norm1)), out)
  const time = linear(`${name}.time_emb_proj`, activation(embedding), scaleShift ? 2 * out : out)
  const norm2 = (input: Value): Value => groupNorm(`${name}.norm2`, input, groupsOut, config.normEps)
  const perPixel = (vector: Value): Value => reshape(vector, [vector.shape[0]!, out, 1, 1])
  let conditioned: Value
  if (scaleShift) {
    const [factor, shift] = split(time, 1, [out, out]) as [Value, Value]
    conditioned = add(mul(norm2(h), add(perPixel(factor), 1)), perPixel(shift))
  } else {
    conditioned = norm2(add(h, perPixel(time)))
  }
  const residue = conv2d(`${name}.conv2`, activation(conditioned), out)
  const resampled = resample(x)
  const needsConv = convShortcut || channels(x) !== out
  const shortcut = needsConv ? conv2d(`${name}.conv_shortcut`, resampled, out, { kernel: 1 }) : resampled
  return divided(add(shortcut, residue), scale)
}

export interface AttentionBlockOptions {
  /** Groups of the norm in front; null leaves it out. */
  readonly groups: number | null
  readonly scale?: number
}

/** Self-attention with norm and residual connection, as Diffusers' `Attention` over a picture's pixels. */
export function attentionBlock(
  name: string,
  x: Value,
  { config }: BlockContext,
  { groups, scale = 1 }: AttentionBlockOptions,
): Value {
  const normalized = groups === null ? x : groupNorm(`${name}.group_norm`, x, groups, config.normEps)
  const mixed = selfAttention(name, normalized, {
    headDim: config.attentionHeadDim ?? channels(x),
    names: { query: "to_q", key: "to_k", value: "to_v", out: "to_out.0" },
  })
  return divided(add(mixed, x), scale)
}

function same(x: Value): Value {
  return x
}

function divided(x: Value, scale: number): Value {
  return scale === 1 ? x : div(x, scale)
}

/** The last layers of the network and of its skip path use SiLU whatever the configuration says. */
export function normSiluConv(
  x: Value,
  options: {
    readonly norm: string
    readonly conv: string
    readonly groups: number
    readonly out: number
    readonly epsilon: number
  },
): Value {
  const normalized = groupNorm(options.norm, x, options.groups, options.epsilon)
  return conv2d(options.conv, silu(normalized), options.out)
}
