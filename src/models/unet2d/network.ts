import type { Value } from "../../graph/builder.ts"
import { GraphBuilder } from "../../graph/builder.ts"
import { add, div, mul, sub } from "../../graph/ops/elementwise.ts"
import { reshape } from "../../graph/ops/shape.ts"
import type { Graph } from "../../graph/types.ts"
import { activations, conv2d } from "../layers.ts"
import { downBlockKinds, upBlockKinds } from "./blocks.ts"
import type { UNet2DConfig } from "./config.ts"
import { classEmbedding, combine, embeddingMlp, timeFeatures } from "./embedding.ts"
import { unet2dNames } from "./names.ts"
import { downBlock, upBlock } from "./plain-blocks.ts"
import type { BlockContext, Features } from "./resnet.ts"
import { attentionBlock, drawPicture, resnetBlock } from "./resnet.ts"
import { skipDownBlock, skipUpBlock } from "./skip-blocks.ts"

/**
 * Diffusers' `UNet2DModel` as a graph: `sample` [batch, inChannels, H, W] and `timestep` [batch] (σ for a Fourier model,
 * the step number for the others), float32, to `out_sample` [batch, outChannels, H, W].
 *
 * @param size height and width of the pictures.
 */
export function unet2dGraph(config: UNet2DConfig, size: readonly [height: number, width: number]): Graph {
  const g = new GraphBuilder("UNet2DModel")
  const sample = g.input(unet2dNames.sample, "float32", ["batch", config.inChannels, ...size])
  const discrete = config.timeEmbeddingType === "learned"
  const timestep = g.input(unet2dNames.timestep, discrete ? "int64" : "float32", ["batch"])
  return g.build({ [unet2dNames.output]: unet2d(sample, timestep, labelsInput(g, config), config) })
}

function labelsInput(g: GraphBuilder, config: UNet2DConfig): Value | undefined {
  const { classEmbedType, numClassEmbeds } = config
  if (classEmbedType === "timestep") return g.input(unet2dNames.classLabels, "float32", ["batch"])
  if (classEmbedType === "identity")
    return g.input(unet2dNames.classLabels, "float32", ["batch", embeddingSize(config)])
  return numClassEmbeds === null ? undefined : g.input(unet2dNames.classLabels, "int64", ["batch"])
}

/** The network itself, from values to the value of its output. */
export function unet2d(
  sample: Value,
  timestep: Value,
  labels: Value | undefined,
  config: UNet2DConfig,
): Value {
  const { downBlockTypes, upBlockTypes, blockOutChannels, layersPerBlock, normNumGroups, normEps } = config
  const [width] = blockOutChannels as readonly [number, ...number[]]
  const deepest = blockOutChannels.at(-1)!

  const size = embeddingSize(config)
  const time = embeddingMlp("time_embedding", timeFeatures(timestep, config), size)
  const embedding = combine(time, labels && classEmbedding(labels, size, config))
  const context: BlockContext = { config, activated: activations[config.actFn](embedding) }

  const centered = config.centerInputSample ? sub(mul(sample, 2), 1) : sample
  let h: Features = { value: conv2d("conv_in", centered, width), scale: 1 }
  let picture: Value | undefined = centered
  const states = [h]

  for (const [i, type] of downBlockTypes.entries()) {
    const { skip, attention, resample } = downBlockKinds[type]!
    const name = `down_blocks.${i}`
    const out = blockOutChannels[i]!
    const final = i === downBlockTypes.length - 1
    if (skip) {
      const down = skipDownBlock(name, { h, picture }, context, { out, attention, final })
      states.push(...down.states)
      picture = down.picture
    } else {
      const way = resample === "configured" ? config.downsampleType : resample
      const options = { out, groups: normNumGroups!, attention, resample: final ? undefined : way }
      states.push(...downBlock(name, h, context, options))
    }
    h = states.at(-1)!
  }

  if (config.midBlockType !== null) h = midBlock(h, context, deepest)

  picture = undefined
  for (const [i, type] of upBlockTypes.entries()) {
    const { skip, attention, resample } = upBlockKinds[type]!
    const name = `up_blocks.${i}`
    const out = blockOutChannels.at(-1 - i)!
    const final = i === upBlockTypes.length - 1
    const beside = states.splice(-(layersPerBlock + 1)).reverse()
    if (skip) {
      const options = { out, attention, final, nextScale: states.at(-1)?.scale ?? 1 }
      ;({ h, picture } = skipUpBlock(name, { h, picture }, beside, context, options))
    } else {
      const way = resample === "configured" ? config.upsampleType : resample
      const options = { out, groups: normNumGroups!, attention, resample: final ? undefined : way }
      h = upBlock(name, h, beside, context, options)
    }
  }

  const names = { norm: "conv_norm_out", conv: "conv_out" }
  const out = drawPicture(h, names, {
    groups: normNumGroups ?? Math.min(Math.floor(width / 4), 32),
    out: config.outChannels,
    epsilon: normEps,
  })
  const drawn = picture ? add(out, picture) : out
  // A Fourier model is a score network: its label is σ, and the score scales as 1/σ.
  return config.timeEmbeddingType === "fourier"
    ? div(drawn, reshape(timestep, [timestep.shape[0]!, 1, 1, 1]))
    : drawn
}

function midBlock(x: Features, context: BlockContext, out: number): Features {
  const { config } = context
  const groups = config.normNumGroups ?? Math.min(Math.floor(out / 4), 32)
  const options = { out, groups, divisor: config.midBlockScaleFactor }
  let h = resnetBlock("mid_block.resnets.0", x, context, options)
  if (config.addAttention) {
    const attentionGroups =
      config.attnNormNumGroups ?? (config.resnetTimeScaleShift === "default" ? groups : null)
    const { divisor } = options
    h = attentionBlock("mid_block.attentions.0", h, context, { groups: attentionGroups, divisor })
  }
  return resnetBlock("mid_block.resnets.1", h, context, options)
}

function embeddingSize(config: UNet2DConfig): number {
  return config.timeEmbeddingDim ?? 4 * config.blockOutChannels[0]!
}
