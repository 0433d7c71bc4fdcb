import type { Value } from "../../graph/builder.ts"
import { concat } from "../../graph/ops/shape.ts"
import { averageDownsample, conv2d, nearestUpsample, padBottomRight } from "../layers.ts"
import type { BlockContext } from "./resnet.ts"
import { attentionBlock, resnetBlock } from "./resnet.ts"

// The blocks of DDPM and of the models that Diffusers' training script makes: no image pyramid beside the features.

/** How a block changes the size of the image: a convolution, or a resnet that resamples. */
export type ResampleType = "conv" | "resnet"

interface PlainBlockOptions {
  readonly out: number
  /** Groups of all norms in the block. */
  readonly groups: number
  readonly attention: boolean
  /** undefined at the last level, which keeps its size. */
  readonly resample: ResampleType | undefined
}

/** `DownBlock2D`, `AttnDownBlock2D`, `ResnetDownsampleBlock2D`: returns every state that the way up needs. */
export function downBlock(
  name: string,
  x: Value,
  context: BlockContext,
  options: PlainBlockOptions,
): readonly Value[] {
  const { out, groups, attention, resample } = options
  const states: Value[] = []
  let h = x
  for (let j = 0; j < context.config.layersPerBlock; j++) {
    h = resnetBlock(`${name}.resnets.${j}`, h, context, { out, groups })
    if (attention) h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups })
    states.push(h)
  }
  if (resample === "conv") states.push(strideConv(`${name}.downsamplers.0.conv`, h, context))
  if (resample === "resnet") {
    const resampling = { out, groups, resample: averageDownsample }
    states.push(resnetBlock(`${name}.downsamplers.0`, h, context, resampling))
  }
  return states
}

/** `UpBlock2D`, `AttnUpBlock2D`, `ResnetUpsampleBlock2D`: takes one state of the way down for every resnet. */
export function upBlock(
  name: string,
  x: Value,
  states: readonly Value[],
  context: BlockContext,
  options: PlainBlockOptions,
): Value {
  const { out, groups, attention, resample } = options
  let h = x
  for (const [j, state] of states.entries()) {
    h = resnetBlock(`${name}.resnets.${j}`, concat([h, state], 1), context, { out, groups })
    if (attention) h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups })
  }
  if (resample === "conv") h = conv2d(`${name}.upsamplers.0.conv`, nearestUpsample(h), out)
  if (resample === "resnet") {
    h = resnetBlock(`${name}.upsamplers.0`, h, context, { out, groups, resample: nearestUpsample })
  }
  return h
}

function strideConv(name: string, x: Value, { config }: BlockContext): Value {
  const out = x.shape[1] as number
  const { downsamplePadding } = config
  // Without padding Diffusers pads one pixel below and right instead, so that an even size halves.
  if (downsamplePadding === 0) return conv2d(name, padBottomRight(x), out, { stride: 2, padding: 0 })
  return conv2d(name, x, out, { stride: 2, padding: downsamplePadding })
}
