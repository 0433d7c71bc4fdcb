import type { Value } from "../../graph/builder.ts"
import { GraphBuilder } from "../../graph/builder.ts"
import { conv } from "../../graph/ops/convolution.ts"
import { add, div, mul, relu, silu, sqrt, sub } from "../../graph/ops/elementwise.ts"
import { averagePool } from "../../graph/ops/pooling.ts"
import { reduceMean } from "../../graph/ops/reduction.ts"
import { pad } from "../../graph/ops/shape.ts"
import type { Graph } from "../../graph/types.ts"
import { channels, groupNorm, imageSize, linear } from "../layers.ts"
import { ModuleNames } from "../module-names.ts"
import { gaussianFourierFeatures } from "../noise-level.ts"

/** The options of score_sde's noise-conditional classifier, a wide residual network (Zagoruyko & Komodakis 2016). */
export interface WideResnetConfig {
  /** Height and width of the pictures; a multiple of 4. */
  readonly imageSize: number
  readonly numChannels: number
  readonly numClasses: number
  readonly blocksPerGroup: number
  /** Widths are 16, 32 and 64 times this. */
  readonly channelMultiplier: number
  /** Mean and deviation of the pixels per channel, by which pictures in [0, 1] are normalised first. */
  readonly pixelMean: readonly number[]
  readonly pixelStd: readonly number[]
}

/** The classifier that came with score_sde: WideResNet-28-10 on CIFAR-10. */
export const cifar10Classifier: WideResnetConfig = {
  imageSize: 32,
  numChannels: 3,
  numClasses: 10,
  blocksPerGroup: 4,
  channelMultiplier: 10,
  pixelMean: [0.49139968, 0.48215841, 0.44653091],
  pixelStd: [0.24703223, 0.24348513, 0.26158784],
}

/** Names of the classifier's inputs and output. */
export const wideResnetNames = { sample: "sample", sigma: "timestep", output: "logits" } as const

/**
 * The classifier as a graph: `sample` [batch, C, H, W], noisy pictures in [0, 1] before the noise, and `timestep`
 * [batch], their σ, to `logits` [batch, classes]. Parameters go by the names of the Flax checkpoint, joined by dots.
 */
export function wideResnetGraph(config: WideResnetConfig, names: ModuleNames = new ModuleNames()): Graph {
  const { imageSize: side, numChannels } = config
  const builder = new GraphBuilder("wideresnet")
  const x = builder.input(wideResnetNames.sample, "float32", ["batch", numChannels, side, side])
  const sigma = builder.input(wideResnetNames.sigma, "float32", ["batch"])
  return builder.build({ [wideResnetNames.output]: wideResnet(x, sigma, config, names) })
}

/** The classifier itself: `x` [N, C, H, W] and σ [N] to logits [N, classes]. */
export function wideResnet(x: Value, sigma: Value, config: WideResnetConfig, names: ModuleNames): Value {
  const counts = new Map<string, number>()
  const dense = (input: Value, out: number): Value => linear(numbered("Dense"), input, out)
  const features = gaussianFourierFeatures(numbered("GaussianFourierProjection"), sigma, 128)
  const embedding = silu(dense(silu(dense(features, 512)), 512))

  let h = plainConv(names.module("init_conv", "Conv", "init_conv"), standardized(normalized(x, config)), 16)
  for (const [i, width] of [16, 32, 64].entries()) {
    const group = numbered("WideResnetGroup")
    for (let j = 0; j < config.blocksPerGroup; j++) {
      const block = names.module(`${group}.WideResnetBlock_${j}`, "WideResnetBlock")
      const out = width * config.channelMultiplier
      const options = { out, stride: i > 0 && j === 0 ? 2 : 1, activateFirst: i === 0 && j === 0 }
      h = residualBlock(block, h, embedding, names, options)
    }
  }
  return dense(reduceMean(activated("pre-pool-bn", h, names), [2, 3], { keepDims: false }), config.numClasses)

  // Modules are called as Flax calls them.
  function numbered(kind: string): string {
    counts.set(kind, (counts.get(kind) ?? -1) + 1)
    return names.module(`${kind}_${counts.get(kind)}`, kind)
  }
}

interface BlockOptions {
  readonly out: number
  readonly stride: number
  /** Whether the shortcut starts behind the first activation. */
  readonly activateFirst: boolean
}

function residualBlock(
  name: string,
  x: Value,
  embedding: Value,
  names: ModuleNames,
  { out, stride, activateFirst }: BlockOptions,
): Value {
  const first = activated(`${name}.init_bn`, x, names)
  const h = plainConv(names.module(`${name}.conv1`, "Conv", "conv1"), first, out, stride)
  const offset = linear(names.module(`${name}.Dense_0`, "Dense"), embedding, out)
  const residue = plainConv(
    names.module(`${name}.conv2`, "Conv", "conv2"),
    activated(`${name}.bn_2`, h, names, offset),
    out,
  )
  const shortcut = activateFirst ? first : x
  const missing = out - channels(x)
  if (missing === 0) return add(residue, shortcut)
  const pooled = stride === 1 ? shortcut : averagePool(shortcut, stride)
  return add(residue, pad(pooled, [0, 0, 0, 0], [0, missing, 0, 0]))
}

// A 3×3 convolution without bias; with step 2 it pads below and right only, as TensorFlow does.
function plainConv(name: string, x: Value, out: number, stride = 1): Value {
  const weight = x.builder.parameter(`${name}.weight`, [out, channels(x), 3, 3])
  return conv(x, weight, undefined, { stride, padding: stride === 2 ? [0, 0, 1, 1] : 1 })
}

function activated(name: string, x: Value, names: ModuleNames, offset?: Value): Value {
  names.module(name, "GroupNorm", name.slice(name.lastIndexOf(".") + 1))
  const groups = Math.min(Math.floor(channels(x) / 4), 32)
  return relu(groupNorm(name, x, { groups, epsilon: 1e-5, ...(offset && { offset }) }))
}

function normalized(x: Value, { pixelMean, pixelStd }: WideResnetConfig): Value {
  const perChannel = (numbers: readonly number[]): Value =>
    x.builder.constant("float32", [numbers.length, 1, 1], Float32Array.from(numbers))
  return div(sub(x, perChannel(pixelMean)), perChannel(pixelStd))
}

// Every picture to mean 0 and deviation 1; a picture of one colour stays near 0.
function standardized(x: Value): Value {
  const { builder } = x
  const [height, width] = imageSize(x)
  const centered = sub(x, reduceMean(x, [1, 2, 3]))
  const deviation = sqrt(reduceMean(mul(centered, centered), [1, 2, 3]))
  const least = builder.scalar(1 / Math.sqrt(channels(x) * height * width))
  return div(centered, builder.apply("Max", [deviation, least])[0]!)
}
