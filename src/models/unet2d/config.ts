import type { ConfigSpec } from "../../config/config.ts"
import { defineConfig, key } from "../../config/config.ts"
import { bool, either, float, int, list, nullable, oneOf, pair, string } from "../../config/kinds.ts"
import type { Activation } from "../layers.ts"
import { findTowerConflict } from "./towers.ts"

/** A UNet2DModel's configuration, with Diffusers' names in camelCase. */
export interface UNet2DConfig {
  /** Side, or height and width, of the pictures. */
  readonly sampleSize: number | readonly [height: number, width: number] | null
  readonly inChannels: number
  readonly outChannels: number
  /** Whether the network maps its input from [0, 1] to [−1, 1] first. */
  readonly centerInputSample: boolean
  /** `fourier`: a score network that is given σ; the others are given the number of the step. */
  readonly timeEmbeddingType: "fourier" | "positional" | "learned"
  /** Length of the time embedding; null for 4 times the first of `blockOutChannels`. */
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
  /** Only used in training. */
  readonly dropout: number
  readonly actFn: Activation
  /** Channels per attention head; null for a single head. */
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

// Bounds far beyond any real model, so that a configuration from a stranger can't ask for absurd amounts of work.
const maxChannels = 65_536
const maxSide = 16_384
const levels = { minLength: 1, maxLength: 32 }
// Repeated here so that reading a configuration doesn't load the code that builds networks.
const activationNames = ["silu", "swish", "mish", "gelu", "relu"] as const satisfies readonly Activation[]
const count = int({ min: 1, max: maxChannels })

/** How a UNet2DModel's configuration is read, checked and written. */
export const unet2dConfigSpec: ConfigSpec<UNet2DConfig> = defineConfig<UNet2DConfig>({
  className: "UNet2DModel",
  fileName: "config.json",
  keys: {
    sampleSize: key(
      nullable(either(int({ min: 1, max: maxSide }), pair(int({ min: 1, max: maxSide })))),
      null,
    ),
    inChannels: key(count, 3),
    outChannels: key(count, 3),
    centerInputSample: key(bool(), false),
    timeEmbeddingType: key(oneOf(["fourier", "positional", "learned"]), "positional"),
    timeEmbeddingDim: key(nullable(count), null),
    freqShift: key(int({ min: -1000, max: 1000 }), 0),
    flipSinToCos: key(bool(), true),
    downBlockTypes: key(list(string(), levels), [
      "DownBlock2D",
      "AttnDownBlock2D",
      "AttnDownBlock2D",
      "AttnDownBlock2D",
    ]),
    midBlockType: key(nullable(oneOf(["UNetMidBlock2D"])), "UNetMidBlock2D"),
    upBlockTypes: key(list(string(), levels), [
      "AttnUpBlock2D",
      "AttnUpBlock2D",
      "AttnUpBlock2D",
      "UpBlock2D",
    ]),
    blockOutChannels: key(list(count, levels), [224, 448, 672, 896]),
    layersPerBlock: key(int({ min: 1, max: 64 }), 2),
    midBlockScaleFactor: key(float({ above: 0 }), 1n),
    downsamplePadding: key(int({ min: 0, max: 16 }), 1),
    downsampleType: key(oneOf(["conv", "resnet"]), "conv"),
    upsampleType: key(oneOf(["conv", "resnet"]), "conv"),
    dropout: key(float({ min: 0, max: 1 }), 0),
    actFn: key(oneOf(activationNames), "silu"),
    attentionHeadDim: key(nullable(count), 8),
    normNumGroups: key(nullable(count), 32),
    attnNormNumGroups: key(nullable(count), null),
    normEps: key(float({ above: 0 }), 1e-5),
    resnetTimeScaleShift: key(oneOf(["default", "scale_shift"]), "default"),
    addAttention: key(bool(), true),
    classEmbedType: key(nullable(oneOf(["timestep", "identity"])), null),
    numClassEmbeds: key(nullable(int({ min: 1, max: 1_000_000 })), null),
    numTrainTimesteps: key(nullable(int({ min: 1, max: 1_000_000 })), null),
  },
  conflict: findConflict,
})

function findConflict(config: UNet2DConfig): { key: keyof UNet2DConfig; allowed: string } | undefined {
  const { blockOutChannels, downBlockTypes, upBlockTypes } = config
  const levelCount = blockOutChannels.length
  const asLong = `as long as block_out_channels, which has ${levelCount} levels`
  if (downBlockTypes.length !== levelCount) return { key: "downBlockTypes", allowed: asLong }
  if (upBlockTypes.length !== levelCount) return { key: "upBlockTypes", allowed: asLong }
  const conflict = findTowerConflict(config)
  if (conflict) return conflict
  if (config.timeEmbeddingType === "learned" && config.numTrainTimesteps === null) {
    return { key: "numTrainTimesteps", allowed: 'a number where time_embedding_type is "learned"' }
  }
  const sides = [config.sampleSize ?? []].flat() as number[]
  const factor = 2 ** (levelCount - 1)
  if (sides.some(side => side % factor !== 0)) {
    return {
      key: "sampleSize",
      allowed: `divisible by ${factor}: the ${levelCount} levels halve it ${levelCount - 1} times`,
    }
  }
  return undefined
}
