import type { PictureConfig, SharedModelConfig } from "../score-network-config.ts"

/** The options of score_sde's networks with the shape of a RefineNet. */
export interface RefineNetModelConfig extends SharedModelConfig {
  /** How features of a deeper level come to a larger size. */
  readonly interpolation: "bilinear" | "nearest_neighbor"
  /**
   * Where the two implementations differ: `"jax"` is score_sde's own, `"pytorch"` that of the authors' earlier
   * checkpoints (ermongroup/ncsn and ncsnv2), which interpolates between corners, divides variances of means by C − 1 and
   * has half as many channels in the third refinement at 64 pixels.
   */
  readonly convention: "jax" | "pytorch"
}

/** The options of NCSNv2 (Song & Ermon 2020); the number in the name is the size of picture that it was made for. */
export interface Ncsnv2ModelConfig extends RefineNetModelConfig {
  readonly name: "ncsnv2_64" | "ncsnv2_128" | "ncsnv2_256"
  readonly normalization: "InstanceNorm++" | "InstanceNorm" | "VarianceNorm" | "GroupNorm"
}

/** What the networks `ncsnv2_64`, `ncsnv2_128` and `ncsnv2_256` are built from. */
export interface Ncsnv2Config {
  readonly model: Ncsnv2ModelConfig
  readonly data: PictureConfig
}
