import type { Value } from "../../graph/builder.ts"
import { add, mul } from "../../graph/ops/elementwise.ts"
import { activation, channels, conv2d, normalizeGroups, sum } from "../layers.ts"
import { mirroredDownsample, mirroredUpsample } from "../resampling.ts"
import { type BlockContext, type Features, joined, timeFactors } from "./resnet.ts"

// The blocks of Katherine Crowson's k-diffusion without cross-attention: norms that are scaled and shifted by the time
// embedding alone, and one state per level beside the way up.

interface KBlockOptions {
  readonly out: number
  /** True at the last level, which keeps its size. */
  readonly final: boolean
}

/** `KDownBlock2D`: the states that the way up needs, and what the next block gets. */
export function kDownBlock(
  name: string,
  x: Features,
  context: BlockContext,
  { out, final }: KBlockOptions,
): { readonly states: readonly Features[]; readonly h: Features } {
  const states: Features[] = []
  let h = x.value
  for (let j = 0; j < context.config.layersPerBlock; j++) {
    h = kResnet(`${name}.resnets.${j}`, h, context, { out, groupsOut: groupCount(out) })
    states.push({ value: h, scale: 1 })
  }
  return { states, h: { value: final ? h : mirroredDownsample(h), scale: 1 } }
}

/**
 * `KUpBlock2D`: takes the last state of its level.
 *
 * @param next channels of the level above.
 */
export function kUpBlock(
  name: string,
  x: Features,
  state: Features,
  context: BlockContext,
  { out, final, next }: KBlockOptions & { readonly next: number },
): Features {
  const { layersPerBlock } = context.config
  let h = joined(x, state).value
  for (let j = 0; j < layersPerBlock; j++) {
    const last = j === layersPerBlock - 1
    // The last resnet goes over to the channels of the next level, but Diffusers keeps this level's groups.
    const options = { out: last ? next : out, groupsOut: groupCount(out) }
    h = kResnet(`${name}.resnets.${j}`, h, context, options)
  }
  return { value: final ? h : mirroredUpsample(h), scale: 1 }
}

interface KResnetOptions {
  readonly out: number
  /** Groups of the second norm. */
  readonly groupsOut: number
}

function groupCount(channels: number): number {
  return Math.floor(channels / 32)
}

/** Diffusers' `ResnetBlockCondNorm2D`. */
function kResnet(name: string, x: Value, context: BlockContext, { out, groupsOut }: KResnetOptions): Value {
  const { config } = context
  const act = activation(config.actFn)
  return x.builder.at(name, () => {
    const norm1 = timedNorm(`${name}.norm1`, x, context, groupCount(channels(x)))
    const h = conv2d(`${name}.conv1`, act(norm1), out)
    const norm2 = timedNorm(`${name}.norm2`, h, context, groupsOut)
    const residue = conv2d(`${name}.conv2`, act(norm2), out)
    const shortcut =
      channels(x) === out ? x : conv2d(`${name}.conv_shortcut`, x, out, { kernel: 1, bias: false })
    return sum(shortcut, residue)
  })
}

/** Group normalisation whose scales and shifts come from the embedding: Diffusers' `AdaGroupNorm`. */
function timedNorm(name: string, x: Value, { embedding, config }: BlockContext, groups: number): Value {
  return x.builder.at(name, () => {
    const [factor, shift] = timeFactors(`${name}.linear`, embedding, channels(x))
    return add(mul(normalizeGroups(name, x, { groups, epsilon: config.normEps }), factor), shift)
  })
}
