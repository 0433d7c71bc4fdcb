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

/** What both sides of a picture must be multiples of, since the network halves it some times. */
export function pictureFactor(model: PictureLevels): number {
  return 2 ** (model.chMult === undefined ? refineNetHalvings[model.name] : model.chMult.length - 1)
}

/** What of a network's options its pictures' sizes depend on. */
export type PictureLevels =
  | { readonly name: "ncsnpp" | "ddpm"; readonly chMult: readonly number[] }
  | { readonly name: keyof typeof refineNetHalvings; readonly chMult?: undefined }

// The layers below them don't halve, but widen what a convolution sees.
const refineNetHalvings = { ncsn: 1, ncsnv2_64: 1, ncsnv2_128: 2, ncsnv2_256: 3 } as const

/** What all score networks have in common: part of score_sde's `model` section. */
export interface SharedModelConfig extends NoiseLevels {
  /** Channels at the full size; every other width is a multiple. */
  readonly nf: number
  readonly nonlinearity: Nonlinearity
  /** Whether the network divides its output by σ. */
  readonly scaleBySigma: boolean
}
