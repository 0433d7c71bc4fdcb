import { add } from "../../graph/ops/elementwise.ts"
import {
  type ConvResampling,
  firRepeatedConv,
  firStridedConv,
  repeatedConv,
  stridedConv,
} from "../conv-resampling.ts"
import { channels } from "../layers.ts"
import {
  averageDownsampling,
  firDownsampling,
  firUpsampling,
  nearestUpsampling,
  type Resampling,
} from "../resampling.ts"
import type { Features } from "../unet2d/resnet.ts"
import { type BlockContext, combined, drawPicture, plain, resampledConv, residualBlock } from "./blocks.ts"
import type { NcsnppModelConfig } from "./config.ts"

/** What happens to the features between two levels of the network. */
export interface LevelSteps {
  readonly halve: (h: Features) => Features
  /** @param scale that the result should have. */
  readonly double: (h: Features, scale: number) => Features
  /** Joins the features of a level with the input, which is shrunk to their size. */
  readonly feed: (h: Features, input: Features) => { readonly h: Features; readonly input: Features }
  /** Adds what the features of a level say to the output, which is enlarged to their size. */
  readonly draw: (
    h: Features,
    output: Features | undefined,
  ) => { readonly h: Features; readonly output: Features | undefined }
}

/**
 * What happens between the levels, as the options say.
 *
 * @param picture channels of the output.
 */
export function levelSteps(
  model: Omit<NcsnppModelConfig, "name">,
  context: BlockContext,
  picture: number,
): LevelSteps {
  const { fir, resblockType, resampWithConv, progressive, progressiveInput, progressiveCombine } = model
  const { names, divisor } = context
  const down = fir
    ? { plain: firDownsampling, conv: firStridedConv }
    : { plain: averageDownsampling, conv: stridedConv }
  const up = fir
    ? { plain: firUpsampling, conv: firRepeatedConv }
    : { plain: nearestUpsampling, conv: repeatedConv }
  const inner = fir ? "Conv2d_0" : "Conv_0"

  const resampled = (
    kind: string,
    h: Features,
    way: { readonly plain: Resampling; readonly conv: ConvResampling },
    scale: number,
  ): Features => {
    const name = names.next(kind)
    if (!resampWithConv) return { value: way.plain.resize(h.value), scale: h.scale }
    return resampledConv(`${name}.${inner}`, h, channels(h.value), scale, way.conv)
  }
  // Of a picture beside the features, which comes to their width and is added to them.
  const residue = (kind: string, image: Features, h: Features, conv: ConvResampling): Features => {
    const resized = resampledConv(`${names.next(kind)}.${inner}`, image, channels(h.value), h.scale, conv)
    return { value: add(resized.value, h.value), scale: h.scale / divisor }
  }

  return {
    halve: h =>
      resblockType === "biggan"
        ? residualBlock(h, context, { resampling: down.plain })
        : resampled("Downsample", h, down, 1),
    double: (h, scale) =>
      resblockType === "biggan"
        ? residualBlock(h, context, { resampling: up.plain, outScale: scale })
        : resampled("Upsample", h, up, scale),
    feed: (h, input) => {
      if (progressiveInput === "none") return { h, input }
      if (progressiveInput === "residual") {
        const sum = residue("Downsample", input, h, down.conv)
        return { h: sum, input: sum }
      }
      names.unlisted("Downsample")
      const smaller = down.plain.resize(input.value)
      return { h: combined(smaller, h, progressiveCombine, names), input: plain(smaller) }
    },
    draw: (h, output) => {
      if (progressive === "none") return { h, output }
      if (progressive === "residual") {
        if (!output) return { h, output: plain(drawPicture(h, channels(h.value), context)) }
        const sum = residue("Upsample", output, h, up.conv)
        return { h: sum, output: sum }
      }
      if (!output) return { h, output: plain(drawPicture(h, picture, context)) }
      names.unlisted("Upsample")
      const larger = up.plain.resize(output.value)
      return { h, output: plain(add(larger, drawPicture(h, picture, context))) }
    },
  }
}
