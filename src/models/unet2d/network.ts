import type { GraphBuilderOptions, Value } from "../../graph/builder.ts"
import { GraphBuilder } from "../../graph/builder.ts"
import { GraphError } from "../../graph/errors.ts"
import { div, mul, sub } from "../../graph/ops/elementwise.ts"
import { reshape } from "../../graph/ops/shape.ts"
import type { Graph } from "../../graph/types.ts"
import { activation, conv2d, sum } from "../layers.ts"
import { networkNames } from "../network-names.ts"
import { downBlockKind, upBlockKind } from "./blocks.ts"
import type { UNet2DConfig } from "./config.ts"
import { classEmbedding, combine, embeddingMlp, timeFeatures } from "./embedding.ts"
import { kDownBlock, kUpBlock } from "./k-blocks.ts"
import { downBlock, upBlock } from "./plain-blocks.ts"
import type { BlockContext, Features } from "./resnet.ts"
import { attentionBlock, drawPicture, resnetBlock } from "./resnet.ts"
import { skipDownBlock, skipUpBlock } from "./skip-blocks.ts"
import { findTowerConflict } from "./towers.ts"

/** The type that the finished graph will compute in, which some layers have to know. */
export type NetworkOptions = Pick<GraphBuilderOptions, "precision">

/**
 * Diffusers' `UNet2DModel` as a graph: `sample` [batch, inChannels, H, W] and `timestep` [batch] (σ for a Fourier model,
 * the step number for the others; int64 where the embedding is learned), to `out_sample` [batch, outChannels, H, W].
 *
 * @param size height and width of the pictures.
 * @throws GraphError `GRAPH_SHAPE` where channels, groups and sizes don't fit, `GRAPH_STRUCTURE` where the blocks don't.
 */
export function unet2dGraph(
  config: UNet2DConfig,
  size: readonly [height: number, width: number],
  options: NetworkOptions = {},
): Graph {
  const g = new GraphBuilder("UNet2DModel", options)
  const sample = g.input(networkNames.sample, "float32", ["batch", config.inChannels, ...size])
  const timestep = g.input(networkNames.timestep, timeType(config), ["batch"])
  return g.build({ [networkNames.output]: unet2d(sample, timestep, labelsInput(g, config), config) })
}

// A learned embedding is a table, by the number of the step.
function timeType(config: UNet2DConfig): "int64" | "float32" {
  return config.timeEmbeddingType === "learned" ? "int64" : "float32"
}

function labelsInput(g: GraphBuilder, config: UNet2DConfig): Value | undefined {
  const { classEmbedType, numClassEmbeds } = config
  const input = (dtype: "int64" | "float32", ...size: number[]): Value =>
    g.input(networkNames.classLabels, dtype, ["batch", ...size])
  if (classEmbedType === "timestep") return input(timeType(config))
  if (classEmbedType === "identity") return input("float32", embeddingSize(config))
  return numClassEmbeds === null ? undefined : input("int64")
}

/** The network itself, from values to the value of its output. */
export function unet2d(
  sample: Value,
  timestep: Value,
  labels: Value | undefined,
  config: UNet2DConfig,
): Value {
  const conflict = findTowerConflict(config)
  if (conflict) throw new GraphError("GRAPH_STRUCTURE", `${conflict.key} must be ${conflict.allowed}.`)
  const { builder } = sample
  const size = embeddingSize(config)
  const time = embeddingMlp("time_embedding", timeFeatures(timestep, config), size)
  const embedding = combine(time, labels && classEmbedding(labels, size, config))
  const activated = builder.at("time_embedding", () => activation(config.actFn)(embedding))
  const context: BlockContext = { config, embedding, activated }

  const centered = config.centerInputSample
    ? builder.at("center_input", () => sub(mul(sample, 2), 1))
    : sample
  const drawn = tower(centered, context)
  // A Fourier model is a score network: its label is σ, and the score scales as 1/σ.
  return config.timeEmbeddingType === "fourier"
    ? builder.at("score", () => div(drawn, reshape(timestep, [timestep.shape[0]!, 1, 1, 1])))
    : drawn
}

// Down to the smallest image and up again, with the states of the way down beside the way up.
function tower(input: Value, context: BlockContext): Value {
  const { config } = context
  const { downBlockTypes, upBlockTypes, blockOutChannels, layersPerBlock, normNumGroups, normEps } = config
  const [width] = blockOutChannels as readonly [number, ...number[]]
  const { builder } = input

  let h: Features = { value: conv2d("conv_in", input, width), scale: 1 }
  let picture: Value | undefined = input
  const states = [h]

  for (const [i, type] of downBlockTypes.entries()) {
    const { skip, k, attention, resample } = downBlockKind(type)!
    const name = `down_blocks.${i}`
    const out = blockOutChannels[i]!
    const final = i === downBlockTypes.length - 1
    builder.at(name, () => {
      if (k) {
        const down = kDownBlock(name, h, context, { out, final })
        states.push(...down.states)
        h = down.h
        return
      }
      if (skip) {
        const down = skipDownBlock(name, { h, picture: picture! }, context, { out, attention, final })
        states.push(...down.states)
        picture = down.picture
      } else {
        const way = resample === "configured" ? config.downsampleType : resample
        const options = { out, groups: normNumGroups!, attention, resample: final ? undefined : way }
        states.push(...downBlock(name, h, context, options))
      }
      h = states.at(-1)!
    })
  }

  if (config.midBlockType !== null) {
    h = builder.at("mid_block", () => midBlock(h, context, blockOutChannels.at(-1)!))
  }

  picture = undefined
  for (const [i, type] of upBlockTypes.entries()) {
    const { skip, k, attention, resample } = upBlockKind(type)!
    const name = `up_blocks.${i}`
    const out = blockOutChannels.at(-1 - i)!
    const final = i === upBlockTypes.length - 1
    const beside = states.splice(-(k ? layersPerBlock : layersPerBlock + 1)).reverse()
    builder.at(name, () => {
      if (k) {
        h = kUpBlock(name, h, beside[0]!, context, { out, final, next: blockOutChannels.at(-2 - i) ?? width })
      } else if (skip) {
        const options = { out, attention, final, nextScale: states.at(-1)?.scale ?? 1 }
        ;({ h, picture } = skipUpBlock(name, { h, picture }, beside, context, options))
      } else {
        const way = resample === "configured" ? config.upsampleType : resample
        const options = { out, groups: normNumGroups!, attention, resample: final ? undefined : way }
        h = upBlock(name, h, beside, context, options)
      }
    })
  }

  const names = { norm: "conv_norm_out", conv: "conv_out" }
  const groups = normNumGroups ?? Math.min(Math.floor(width / 4), 32)
  const out = drawPicture(h, names, { groups, out: config.outChannels, epsilon: normEps })
  return picture ? builder.at("conv_out", () => sum(out, picture!)) : out
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
