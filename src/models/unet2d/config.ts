import type { Activation } from "../layers.ts"

/** A UNet2DModel's configuration, with Diffusers' names in camelCase. */
export interface UNet2DConfig {
  readonly sampleSize: number | readonly [number, number] | null
  readonly inChannels: number
  readonly outChannels: number
  readonly centerInputSample: boolean
  readonly timeEmbeddingType: "fourier" | "positional" | "learned"
  readonly timeEmbeddingDim: number | null
  readonly freqShift: number
  readonly flipSinToCos: boolean
  readonly downBlockTypes: readonly string[]
  readonly midBlockType: "UNetMidBlock2D" | null
  readonly upBlockTypes: readonly string[]
  readonly blockOutChannels: readonly number[]
  readonly layersPerBlock: number
  readonly midBlockScaleFactor: number
  readonly downsamplePadding: number
  readonly downsampleType: "conv" | "resnet"
  readonly upsampleType: "conv" | "resnet"
  readonly dropout: number
  readonly actFn: Activation
  readonly attentionHeadDim: number | null
  readonly normNumGroups: number | null
  readonly attnNormNumGroups: number | null
  readonly normEps: number
  readonly resnetTimeScaleShift: "default" | "scale_shift"
  readonly addAttention: boolean
  readonly classEmbedType: "timestep" | "identity" | null
  readonly numClassEmbeds: number | null
  readonly numTrainTimesteps: number | null
}
