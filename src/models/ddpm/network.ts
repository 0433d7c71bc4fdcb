import type { Value } from "../../graph/builder.ts"
import type { ModuleNames } from "../module-names.ts"
import type { UNetModelConfig } from "../ncsnpp/config.ts"
import { unet } from "../ncsnpp/network.ts"
import { dividedPerPicture, sigmaOf } from "../noise-level.ts"
import type { PictureConfig } from "../score-network-config.ts"

/** The options of DDPM's network (Ho et al. 2020). */
export interface DdpmModelConfig extends UNetModelConfig {
  readonly name: "ddpm"
}

/** What the network `ddpm` is built from. */
export interface DdpmConfig {
  readonly model: DdpmModelConfig
  readonly data: PictureConfig
}

/**
 * The U-Net of DDPM: `x` [N, C, H, W] and its step [N], which may be fractional, to the predicted noise [N, C, H, W],
 * or to the score where the network divides by σ.
 */
export function ddpm(x: Value, step: Value, { model, data }: DdpmConfig, names: ModuleNames): Value {
  const plainest = {
    fir: false,
    skipRescale: false,
    resblockType: "ddpm",
    progressive: "none",
    progressiveInput: "none",
    progressiveCombine: "sum",
    embeddingType: "positional",
  } as const
  const output = unet(x, step, { ...model, ...plainest }, data, names, {
    kinds: { resnet: "ResnetBlockDDPM", attention: "AttnBlock" },
    divisor: 1,
    groups: () => 32,
    shortcut: "nin",
  })
  return model.scaleBySigma ? dividedPerPicture(output, sigmaOf(step, model)) : output
}
