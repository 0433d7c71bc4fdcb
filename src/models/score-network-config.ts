import type { NoiseLevels } from "./noise-level.ts"
import type { Nonlinearity } from "./nonlinearities.ts"

/** What every score network needs to know about its pictures: part of score_sde's `data` section. */
export interface PictureConfig {
  /** Height and width that the network was made for. */
  readonly imageSize: number
  readonly numChannels: number
  /** Whether the input lies in [−1, 1]. Where it doesn't, the network computes 2x − 1 first. */
  readonly centered: boolean
}

/** What all score networks have in common: part of score_sde's `model` section. */
export interface SharedModelConfig extends NoiseLevels {
  /** Channels at the full size; every other width is a multiple. */
  readonly nf: number
  readonly nonlinearity: Nonlinearity
  /** Whether the network divides its output by σ. */
  readonly scaleBySigma: boolean
}
