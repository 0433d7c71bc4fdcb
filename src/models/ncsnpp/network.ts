import type { Value } from "../../graph/builder.ts"
import { mul, sub } from "../../graph/ops/elementwise.ts"
import { conv2d, linear } from "../layers.ts"
import type { ModuleNames } from "../module-names.ts"
import { dividedPerPicture, gaussianFourierFeatures, sigmaOf, sinusoidalFeatures } from "../noise-level.ts"
import { nonlinearities } from "../nonlinearities.ts"
import { type Features, joined } from "../unet2d/resnet.ts"
import { attentionBlock, type BlockContext, drawPicture, plain, residualBlock } from "./blocks.ts"
import type { NcsnppConfig, NcsnppModelConfig } from "./config.ts"
import { levelSteps } from "./level-steps.ts"

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
  return level.builder.at("embedding", () => {
    const features =
      projection === undefined
        ? sinusoidalFeatures(level, nf)
        : gaussianFourierFeatures(projection, level, nf)
    const hidden = linear(names.next("Dense"), features, 4 * nf)
    return activation(linear(names.next("Dense"), activation(hidden), 4 * nf))
  })
}
