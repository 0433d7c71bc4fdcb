import type { ResampleType } from "./plain-blocks.ts"

/** What a block's name stands for. */
export interface BlockKind {
  /** One of NCSN++'s blocks, which carry a picture beside the features. */
  readonly skip: boolean
  readonly attention: boolean
  /** How a plain block changes the size of the image; from the configuration where it says so. */
  readonly resample: ResampleType | "configured"
}

const plain: BlockKind = { skip: false, attention: false, resample: "conv" }
const attention: BlockKind = { skip: false, attention: true, resample: "configured" }
const resnet: BlockKind = { skip: false, attention: false, resample: "resnet" }
const skip: BlockKind = { skip: true, attention: false, resample: "conv" }
const attentionSkip: BlockKind = { skip: true, attention: true, resample: "conv" }

/** The blocks that an unconditional model can name on its way down. */
export const downBlockKinds: Readonly<Record<string, BlockKind>> = {
  DownBlock2D: plain,
  AttnDownBlock2D: attention,
  ResnetDownsampleBlock2D: resnet,
  SkipDownBlock2D: skip,
  AttnSkipDownBlock2D: attentionSkip,
}

/** The blocks that an unconditional model can name on its way up. */
export const upBlockKinds: Readonly<Record<string, BlockKind>> = {
  UpBlock2D: plain,
  AttnUpBlock2D: attention,
  ResnetUpsampleBlock2D: resnet,
  SkipUpBlock2D: skip,
  AttnSkipUpBlock2D: attentionSkip,
}
