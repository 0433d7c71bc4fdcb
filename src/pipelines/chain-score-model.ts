import type { UNet2DModel } from "../models/unet2d/model.ts"
import type { DDIMScheduler } from "../schedulers/ddim.ts"
import type { DDPMScheduler } from "../schedulers/ddpm.ts"
import { ChainSDE } from "../sde/chain-sde.ts"
import { PipelineError } from "./errors.ts"
import { networkScoreModel, type ScoreModel, type ScoreModelOptions } from "./score-model.ts"

/**
 * The score that a network trained on a chain of DDPM stands for: that of the VP SDE with β(t) linear in t, of which the
 * chain is a discretisation.
 *
 * @throws PipelineError `NO_SDE`
 */
export function chainScoreModel(
  unet: UNet2DModel,
  { config, alphasCumprod }: DDPMScheduler | DDIMScheduler,
  options: ScoreModelOptions,
): ScoreModel {
  const { numTrainTimesteps, betaStart, betaEnd, betaSchedule, trainedBetas, rescaleBetasZeroSnr } = config
  const { inChannels, outChannels, timeEmbeddingType } = unet.config
  const reason =
    trainedBetas !== null
      ? "its βs are given one by one"
      : betaSchedule !== "linear"
        ? `its beta_schedule is "${betaSchedule}"`
        : rescaleBetasZeroSnr
          ? "its βs are rescaled to end in pure noise"
          : undefined
  if (reason !== undefined) {
    throw noSde(`The chain of this pipeline is not a VP SDE's: ${reason}, but β must grow linearly.`)
  }
  if (outChannels !== inChannels) {
    throw noSde(
      `The network takes ${inChannels} channels and returns ${outChannels}: it predicts more than the score.`,
    )
  }
  const beta = { betaMin: betaStart * numTrainTimesteps, betaMax: betaEnd * numTrainTimesteps }
  const { N = numTrainTimesteps } = options
  const sde = new ChainSDE({
    ...beta,
    N,
    alphasCumprod,
    predictionType: config.predictionType,
    wholeLabels: timeEmbeddingType === "learned",
  })
  return networkScoreModel(unet, sde, [-1, 1], options, { predictor: "ancestral_sampling" })
}

function noSde(message: string): PipelineError {
  return new PipelineError("NO_SDE", message, {
    hint: "The pipeline itself samples; a sampler, a likelihood or latents of an SDE need its score.",
  })
}
