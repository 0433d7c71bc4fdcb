import type { Value } from "../../graph/builder.ts"
import { channels, conv2d, sum } from "../layers.ts"
import type { Resampling } from "../resampling.ts"
import { firDownsampling, firUpsampling } from "../resampling.ts"
import type { BlockContext, Features } from "./resnet.ts"
import { attentionBlock, drawPicture, joined, resnetBlock } from "./resnet.ts"

// The blocks of NCSN++ with `progressive=output_skip`, `progressive_input=input_skip` and FIR resampling
// (Song et al. 2021, appendix H): a small picture accompanies the features down and is built up again on the way up.

const divisor = Math.SQRT2
const attentionGroups = 32

interface SkipBlockOptions {
  readonly out: number
  readonly attention: boolean
  /** True at the last level, which keeps its size. */
  readonly final: boolean
}

/** What a block hands on: the features, and the picture beside them. */
export interface SkipState {
  readonly h: Features
  /** [N, 3, H, W]; undefined before the first block on the way up. */
  readonly picture: Value | undefined
}

/** `SkipDownBlock2D` and `AttnSkipDownBlock2D`: also returns every state that the way up needs. */
export function skipDownBlock(
  name: string,
  { h, picture }: { readonly h: Features; readonly picture: Value },
  context: BlockContext,
  { out, attention, final }: SkipBlockOptions,
): { readonly states: readonly Features[]; readonly picture: Value } {
  const states: Features[] = []
  for (let j = 0; j < context.config.layersPerBlock; j++) {
    const [groups, groupsOut] = [normGroups(channels(h.value)), normGroups(out)]
    h = resnetBlock(`${name}.resnets.${j}`, h, context, { out, groups, groupsOut, divisor })
    if (attention)
      h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups: attentionGroups, divisor })
    states.push(h)
  }
  if (final) return { states, picture }
  const smaller = firDownsampling.resize(picture)
  const halved = resampleBlock(`${name}.resnet_down`, h, context, firDownsampling, 1)
  const drawn = conv2d(`${name}.skip_conv`, smaller, out, { kernel: 1 })
  states.push({ value: sum(drawn, halved.value), scale: 1 })
  return { states, picture: smaller }
}

/** `SkipUpBlock2D` and `AttnSkipUpBlock2D`: takes one state of the way down for every resnet, nearest first. */
export function skipUpBlock(
  name: string,
  { h, picture }: SkipState,
  states: readonly Features[],
  context: BlockContext,
  { out, attention, final, nextScale }: SkipBlockOptions & { readonly nextScale: number },
): SkipState {
  for (const [j, state] of states.entries()) {
    const [before, beside] = [channels(h.value), channels(state.value)]
    // Diffusers' attention block divides only the second term by 4; the two agree wherever both reach 32.
    const groups = attention ? Math.min(before + Math.floor(beside / 4), 32) : normGroups(before + beside)
    const outScale = states[j + 1]?.scale ?? 1
    const options = { out, groups, groupsOut: normGroups(out), divisor, outScale }
    h = resnetBlock(`${name}.resnets.${j}`, joined(h, state), context, options)
  }
  if (attention) h = attentionBlock(`${name}.attentions.0`, h, context, { groups: attentionGroups, divisor })
  const larger = picture && firUpsampling.resize(picture)
  if (final) return { h, picture: larger }
  const names = { norm: `${name}.skip_norm`, conv: `${name}.skip_conv` }
  const drawn = drawPicture(h, names, { groups: normGroups(out), out: 3, epsilon: context.config.normEps })
  return {
    h: resampleBlock(`${name}.resnet_up`, h, context, firUpsampling, nextScale),
    picture: larger ? sum(larger, drawn) : drawn,
  }
}

function resampleBlock(
  name: string,
  h: Features,
  context: BlockContext,
  resampling: Resampling,
  outScale: number,
): Features {
  const out = channels(h.value)
  const groups = normGroups(out)
  return resnetBlock(name, h, context, { out, groups, divisor, resampling, convShortcut: true, outScale })
}

function normGroups(count: number): number {
  return Math.min(Math.floor(count / 4), 32)
}
