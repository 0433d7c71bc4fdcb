import type { Value } from "../../graph/builder.ts"
import type { ModuleNames } from "../module-names.ts"
import type { RefineNetModelConfig } from "../ncsnv2/config.ts"
import { refineNet, smallTower } from "../ncsnv2/network.ts"
import { conditionalNorm } from "../ncsnv2/norms.ts"
import { dividedPerPicture, levelIndex, sigmaOf } from "../noise-level.ts"
import type { PictureConfig } from "../score-network-config.ts"

/** The options of the first NCSN (Song & Ermon 2019). */
export interface NcsnModelConfig extends RefineNetModelConfig {
  readonly name: "ncsn"
}

/** What the network `ncsn` is built from. */
export interface NcsnConfig {
  readonly model: NcsnModelConfig
  readonly data: PictureConfig
}

/**
 * NCSN: `x` [N, C, H, W] and the number of its noise level [N], 0 for the largest, to the score [N, C, H, W]. Every norm
 * has parameters for each level.
 */
export function ncsn(x: Value, level: Value, { model, data }: NcsnConfig, names: ModuleNames): Value {
  const { numScales, convention } = model
  const output = refineNet(x, model, data, smallTower, names, {
    conditional: true,
    normalize: conditionalNorm(levelIndex(level), numScales, convention === "pytorch", names),
  })
  return model.scaleBySigma ? dividedPerPicture(output, sigmaOf(level, model)) : output
}
