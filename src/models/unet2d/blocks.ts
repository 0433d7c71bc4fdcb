import type { ResampleType } from "./plain-blocks.ts"

/** What a block's name stands for. */
export interface BlockKind {
  /** One of NCSN++'s blocks, which carry a picture beside the features. */
  readonly skip: boolean
  /** One of k-diffusion's blocks, whose norms take the time. */
  readonly k: boolean
  readonly attention: boolean
  /** How a plain block changes the size of the image; from the configuration where it says so. */
  readonly resample: ResampleType | "configured"
}

const plain: BlockKind = { skip: false, k: false, attention: false, resample: "conv" }
const attention: BlockKind = { ...plain, attention: true, resample: "configured" }
const resnet: BlockKind = { ...plain, resample: "resnet" }
const skip: BlockKind = { ...plain, skip: true }
const attentionSkip: BlockKind = { ...skip, attention: true }
const k: BlockKind = { ...plain, k: true }

/** The blocks that an unconditional model can name on its way down. */
export const downBlockKinds: Readonly<Record<string, BlockKind>> = {
  DownBlock2D: plain,
  AttnDownBlock2D: attention,
  ResnetDownsampleBlock2D: resnet,
  SkipDownBlock2D: skip,
  AttnSkipDownBlock2D: attentionSkip,
  KDownBlock2D: k,
}

/** The blocks that an unconditional model can name on its way up. */
export const upBlockKinds: Readonly<Record<string, BlockKind>> = {
  UpBlock2D: plain,
  AttnUpBlock2D: attention,
  ResnetUpsampleBlock2D: resnet,
  SkipUpBlock2D: skip,
  AttnSkipUpBlock2D: attentionSkip,
  KUpBlock2D: k,
}

/** The block of that name on the way down, also by its older name `UNetRes…`; undefined where there is none. */
export function downBlockKind(name: string): BlockKind | undefined {
  return find(downBlockKinds, name)
}

/** The block of that name on the way up, also by its older name `UNetRes…`; undefined where there is none. */
export function upBlockKind(name: string): BlockKind | undefined {
  return find(upBlockKinds, name)
}

function find(kinds: Readonly<Record<string, BlockKind>>, name: string): BlockKind | undefined {
  const today = name.replace(/^UNetRes/, "")
  return Object.hasOwn(kinds, today) ? kinds[today] : undefined
}
