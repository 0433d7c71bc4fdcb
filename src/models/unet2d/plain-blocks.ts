import type { Value } from "../../graph/builder.ts"
import { channels, conv2d } from "../layers.ts"
import { averageDownsampling, nearestUpsampling } from "../resampling.ts"
import type { BlockContext, Features } from "./resnet.ts"
import { attentionBlock, joined, resnetBlock } from "./resnet.ts"

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
  x: Features,
  context: BlockContext,
  options: PlainBlockOptions,
): readonly Features[] {
  const { out, groups, attention, resample } = options
  const states: Features[] = []
  let h = x
  for (let j = 0; j < context.config.layersPerBlock; j++) {
    h = resnetBlock(`${name}.resnets.${j}`, h, context, { out, groups })
    if (attention) h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups })
    states.push(h)
  }
  if (resample === "conv") states.push(strideConv(`${name}.downsamplers.0.conv`, h, context))
  if (resample === "resnet") {
    states.push(
      resnetBlock(`${name}.downsamplers.0`, h, context, { out, groups, resampling: averageDownsampling }),
    )
  }
  return states
}

/** `UpBlock2D`, `AttnUpBlock2D`, `ResnetUpsampleBlock2D`: takes one state of the way down for every resnet. */
export function upBlock(
  name: string,
  x: Features,
  states: readonly Features[],
  context: BlockContext,
  options: PlainBlockOptions,
): Features {
  const { out, groups, attention, resample } = options
  let h = x
  for (const [j, state] of states.entries()) {
    h = resnetBlock(`${name}.resnets.${j}`, joined(h, state), context, { out, groups })
    if (attention) h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups })
  }
  if (resample === "conv")
    h = plain(conv2d(`${name}.upsamplers.0.conv`, nearestUpsampling.resize(h.value), out))
  if (resample === "resnet") {
    h = resnetBlock(`${name}.upsamplers.0`, h, context, { out, groups, resampling: nearestUpsampling })
  }
  return h
}

function strideConv(name: string, { value }: Features, { config }: BlockContext): Features {
  const { downsamplePadding } = config
  // Without padding Diffusers pads one pixel below and right instead, so that an even size halves.
  const padding = downsamplePadding === 0 ? ([0, 0, 1, 1] as const) : downsamplePadding
  return plain(conv2d(name, value, channels(value), { stride: 2, padding }))
}

// No sum in these blocks is divided by anything.
function plain(value: Value): Features {
  return { value, scale: 1 }
}
