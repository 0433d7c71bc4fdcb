import type { ScoreSdeConfig } from "../configs/score-sde-config.ts"
import type { UNet2DConfig } from "../models/unet2d/config.ts"

/** What of a network's configuration says how it is built. */
export interface NetworkShape {
  /** Whether the configuration leaves the pictures' size open. */
  readonly anySize: boolean
  /** score_sde's name of the architecture; null for Diffusers' networks. */
  readonly architecture: string | null
  readonly blockOutChannels: readonly number[]
  /** How the network is told the time; null where it isn't. */
  readonly timeEmbedding: string | null
  readonly classConditional: boolean
}

export function unet2dShape(config: UNet2DConfig): NetworkShape {
  const { sampleSize, blockOutChannels, timeEmbeddingType, classEmbedType, numClassEmbeds } = config
  return {
    anySize: sampleSize === null,
    architecture: null,
    blockOutChannels,
    timeEmbedding: timeEmbeddingType,
    classConditional: classEmbedType !== null || numClassEmbeds !== null,
  }
}

export function scoreNetworkShape({ model }: ScoreSdeConfig): NetworkShape {
  const isUnet = model.name === "ncsnpp" || model.name === "ddpm"
  const embedding = model.name === "ncsnpp" ? model.embeddingType : "positional"
  return {
    anySize: false,
    architecture: model.name,
    blockOutChannels: isUnet ? model.chMult.map(multiple => multiple * model.nf) : [model.nf],
    timeEmbedding: isUnet && model.conditional ? embedding : null,
    classConditional: false,
  }
}
