import type { ScoreSdeConfig } from "./score-sde-config.ts"

/** An option that contradicts another one. */
export interface OptionConflict {
  /** As `section.key` in files. */
  readonly option: string
  /** What is wrong, to follow the option's name. */
  readonly problem: string
}

/** Finds options that can't go together. */
export function findConflict({ training, data, model }: ScoreSdeConfig): OptionConflict | undefined {
  const { sde, continuous } = training
  const takesSigma = model.name === "ncsnpp" && model.embeddingType === "fourier"
  if (model.sigmaMin >= model.sigmaMax) {
    return conflict(
      "model.sigma_min",
      `is ${model.sigmaMin}, but must be less than sigma_max, ${model.sigmaMax}`,
    )
  }
  if (model.betaMin >= model.betaMax) {
    return conflict("model.beta_min", `is ${model.betaMin}, but must be less than beta_max, ${model.betaMax}`)
  }
  if (takesSigma && !continuous) {
    return conflict(
      "model.embedding_type",
      'is "fourier", which only a network for continuous training can have',
    )
  }
  if (sde === "vesde" && continuous && !takesSigma) {
    return conflict(
      "training.continuous",
      "is true, but the network is told the number of a noise level and not σ, so it must be false",
    )
  }
  if (sde === "subvpsde" && !continuous) {
    return conflict("training.continuous", 'is false, but must be true for the SDE "subvpsde"')
  }
  if (training.likelihoodWeighting && !continuous) {
    return conflict("training.likelihood_weighting", "is true, which only continuous training can be")
  }
  const factor = "chMult" in model ? 2 ** (model.chMult.length - 1) : 1
  if (data.imageSize % factor !== 0) {
    return conflict(
      "data.image_size",
      `is ${data.imageSize}, but the ${model.name} of ${"chMult" in model ? model.chMult.length : 1} levels needs a multiple of ${factor}`,
    )
  }
  return undefined
}

function conflict(option: string, problem: string): OptionConflict {
  return { option, problem }
}
