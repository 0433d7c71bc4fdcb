import type { Value } from "../../graph/builder.ts"
import { add, mul, sub } from "../../graph/ops/elementwise.ts"
import {
  type ConvResampling,
  firRepeatedConv,
  firStridedConv,
  repeatedConv,
  stridedConv,
} from "../conv-resampling.ts"
import { channels, conv2d, linear } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import { dividedPerPicture, gaussianFourierFeatures, sigmaOf, sinusoidalFeatures } from "../noise-level.ts"
import { nonlinearities } from "../nonlinearities.ts"
import {
  averageDownsampling,
  firDownsampling,
  firUpsampling,
  nearestUpsampling,
  type Resampling,
} from "../resampling.ts"
import { type Features, joined } from "../unet2d/resnet.ts"
import {
  attentionBlock,
  type BlockContext,
  combined,
  drawPicture,
  plain,
  resampledConv,
  residualBlock,
} from "./blocks.ts"
import type { NcsnppConfig, NcsnppModelConfig } from "./config.ts"

/**
 * NCSN++ and DDPM++ (Song et al. 2021): `x` [N, C, H, W] and its noise level [N] to the score, or to what the network
 * was trained to predict instead: [N, C, H, W].
 *
 * @param level σ for a network with Fourier features, else the step, which may be fractional.
 */
export function ncsnpp(x: Value, level: Value, { model, data }: NcsnppConfig, names: ModuleNames): Value {
  const kind = model.resblockType === "biggan" ? "ResnetBlockBigGANpp" : "ResnetBlockDDPMpp"
  const output = unet(x, level, model, data, names, {
    kinds: { resnet: kind, attention: "AttnBlockpp" },
    divisor: model.skipRescale ? Math.SQRT2 : 1,
    groups: count => Math.min(Math.floor(count / 4), 32),
    shortcut: model.resblockType === "biggan" ? "conv" : "nin",
  })
  if (!model.scaleBySigma) return output
  return dividedPerPicture(output, model.embeddingType === "fourier" ? level : sigmaOf(level, model))
}

type BlockStyle = Pick<BlockContext, "kinds" | "divisor" | "groups" | "shortcut">

/** The U-Net of {@link ncsnpp}, without the division by σ; other networks are special cases of it. */
export function unet(
  x: Value,
  level: Value,
  model: Omit<NcsnppModelConfig, "name">,
  data: NcsnppConfig["data"],
  names: ModuleNames,
  style: BlockStyle,
): Value {
  const { nf, chMult, numResBlocks, attnResolutions } = model
  const activation = nonlinearities[model.nonlinearity]
  const embedding = embeddingOf(level, model, names, activation)
  const context: BlockContext = { ...style, names, activation, embedding }
  const { halve, double, draw, feed } = levelSteps(model, context, data.numChannels)
  // By the size that the network was made for, so that pictures of another size meet the same modules.
  const attends = (i: number): boolean => attnResolutions.includes(Math.floor(data.imageSize / 2 ** i))
  const last = chMult.length - 1

  const centered = data.centered ? x : sub(mul(x, 2), 1)
  let h = plain(conv2d(names.next("Conv"), centered, nf))
  let input = plain(centered)
  const states = [h]
  for (const [i, multiple] of chMult.entries()) {
    for (let j = 0; j < numResBlocks; j++) {
      h = residualBlock(h, context, { out: nf * multiple })
      if (attends(i)) h = attentionBlock(h, context)
      states.push(h)
    }
    if (i === last) break
    ;({ h, input } = feed(halve(h), input))
    states.push(h)
  }

  h = residualBlock(h, context)
  h = attentionBlock(h, context)
  h = residualBlock(h, context)

  let output: Features | undefined
  for (const [i, multiple] of [...chMult.entries()].reverse()) {
    for (let j = 0; j <= numResBlocks; j++) {
      const beside = states.pop()!
      h = residualBlock(joined(h, beside), context, { out: nf * multiple, outScale: nextScale(states) })
    }
    if (attends(i)) h = attentionBlock(h, context)
    ;({ h, output } = draw(h, output))
    if (i > 0) h = double(h, nextScale(states))
  }
  return model.progressive === "output_skip" ? output!.value : drawPicture(h, data.numChannels, context)
}

// The scale of the features that the next block on the way up is joined with.
function nextScale(states: readonly Features[]): number {
  return states.at(-1)?.scale ?? 1
}

function embeddingOf(
  level: Value,
  { nf, conditional, embeddingType }: Omit<NcsnppModelConfig, "name">,
  names: ModuleNames,
  activation: (x: Value) => Value,
): Value | undefined {
  // The frequencies stand in the checkpoint of an unconditional network too.
  const projection = embeddingType === "fourier" ? names.next("GaussianFourierProjection") : undefined
  if (!conditional) return undefined
  const features =
    projection === undefined ? sinusoidalFeatures(level, nf) : gaussianFourierFeatures(projection, level, nf)
  const hidden = linear(names.next("Dense"), features, 4 * nf)
  return activation(linear(names.next("Dense"), activation(hidden), 4 * nf))
}

interface LevelSteps {
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

// What happens between the levels, as the options say.
function levelSteps(
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
    way: { plain: Resampling; conv: ConvResampling },
    scale: number,
  ) => {
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
