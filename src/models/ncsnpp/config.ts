import type { PictureConfig, SharedModelConfig } from "../score-network-config.ts"

/** The options of score_sde's networks with the shape of a U-Net. */
export interface UNetModelConfig extends SharedModelConfig {
  /** Width of each level as a multiple of `nf`, from the full size down. */
  readonly chMult: readonly number[]
  readonly numResBlocks: number
  /** Sizes of the image at which attention follows the residual blocks. */
  readonly attnResolutions: readonly number[]
  /** Whether a change of size outside of a residual block comes with a convolution. */
  readonly resampWithConv: boolean
  /** Whether the network is told the noise level. */
  readonly conditional: boolean
}

/** The architectural options of NCSN++ and DDPM++ (Song et al. 2021, appendix H). */
export interface NcsnppModelConfig extends UNetModelConfig {
  readonly name: "ncsnpp"
  /** Whether the size changes through StyleGAN2's filter [1, 3, 3, 1] or by repeating and averaging pixels. */
  readonly fir: boolean
  /** Whether sums of two branches are divided by √2. */
  readonly skipRescale: boolean
  readonly resblockType: "biggan" | "ddpm"
  /** How pictures are drawn at each level on the way up. */
  readonly progressive: "none" | "output_skip" | "residual"
  /** How the input joins in at each level on the way down. */
  readonly progressiveInput: "none" | "input_skip" | "residual"
  /** Whether `"input_skip"` adds or appends. */
  readonly progressiveCombine: "sum" | "cat"
  /** `"fourier"` takes σ as label, `"positional"` a step. */
  readonly embeddingType: "fourier" | "positional"
}

/** What the network `ncsnpp` is built from. */
export interface NcsnppConfig {
  readonly model: NcsnppModelConfig
  readonly data: PictureConfig
}
