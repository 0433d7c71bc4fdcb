import type { Value } from "../../graph/builder.ts"
import { add } from "../../graph/ops/elementwise.ts"
import { concat } from "../../graph/ops/shape.ts"
import { channels, conv2d, firDownsample, firUpsample } from "../layers.ts"
import type { BlockContext } from "./resnet.ts"
import { attentionBlock, normSiluConv, resnetBlock } from "./resnet.ts"

// The blocks of NCSN++ with `progressive=output_skip`, `progressive_input=input_skip` and FIR resampling
// (Song et al. 2021, appendix H): a small picture accompanies the features down and is built up again on the way up.

const scale = Math.SQRT2
const attentionGroups = 32

interface SkipBlockOptions {
  readonly out: number
  readonly attention: boolean
  /** True at the last level, which keeps its size. */
  readonly final: boolean
}

/** What a block hands on: the features, and the picture beside them. */
export interface SkipState {
  readonly h: Value
  /** [N, 3, H, W]; undefined before the first block on the way up. */
  readonly picture: Value | undefined
}

/** `SkipDownBlock2D` and `AttnSkipDownBlock2D`: also returns every state that the way up needs. */
export function skipDownBlock(
  name: string,
  { h, picture }: { readonly h: Value; readonly picture: Value },
  context: BlockContext,
  { out, attention, final }: SkipBlockOptions,
): { readonly states: readonly Value[]; readonly picture: Value } {
  const states: Value[] = []
  for (let j = 0; j < context.config.layersPerBlock; j++) {
    const [groups, groupsOut] = [normGroups(channels(h)), normGroups(out)]
    h = resnetBlock(`${name}.resnets.${j}`, h, context, { out, groups, groupsOut, scale })
    if (attention)
      h = attentionBlock(`${name}.attentions.${j}`, h, context, { groups: attentionGroups, scale })
    states.push(h)
  }
  if (final) return { states, picture }
  const smaller = firDownsample(picture)
  const halved = resampleBlock(`${name}.resnet_down`, h, context, firDownsample)
  states.push(add(conv2d(`${name}.skip_conv`, smaller, out, { kernel: 1 }), halved))
  return { states, picture: smaller }
}

/** `SkipUpBlock2D` and `AttnSkipUpBlock2D`: takes one state of the way down for every resnet. */
export function skipUpBlock(
  name: string,
  { h, picture }: SkipState,
  states: readonly Value[],
  context: BlockContext,
  { out, attention, final }: SkipBlockOptions,
): SkipState {
  for (const [j, state] of states.entries()) {
    const [before, beside] = [channels(h), channels(state)]
    // Diffusers' attention block divides only the second term by 4; the two agree wherever both reach 32.
    const groups = attention ? Math.min(before + Math.floor(beside / 4), 32) : normGroups(before + beside)
    const options = { out, groups, groupsOut: normGroups(out), scale }
    h = resnetBlock(`${name}.resnets.${j}`, concat([h, state], 1), context, options)
  }
  if (attention) h = attentionBlock(`${name}.attentions.0`, h, context, { groups: attentionGroups, scale })
  const larger = picture && firUpsample(picture)
  if (final) return { h, picture: larger }
  const drawn = normSiluConv(h, {
    norm: `${name}.skip_norm`,
    conv: `${name}.skip_conv`,
    groups: normGroups(out),
    out: 3,
    epsilon: context.config.normEps,
  })
  return {
    h: resampleBlock(`${name}.resnet_up`, h, context, firUpsample),
    picture: larger ? add(larger, drawn) : drawn,
  }
}

function resampleBlock(name: string, h: Value, context: BlockContext, resample: (x: Value) => Value): Value {
  const out = channels(h)
  return resnetBlock(name, h, context, { out, groups: normGroups(out), scale, resample, convShortcut: true })
}

function normGroups(count: number): number {
  return Math.min(Math.floor(count / 4), 32)
}
