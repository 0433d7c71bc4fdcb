import { UNet2DModel } from "../models/unet2d/model.ts"
import { ScoreSdeVeScheduler } from "../schedulers/score-sde-ve.ts"
import { VESDE } from "../sde/ve-sde.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { LinearSampler } from "./on-device.ts"
import type { OutputType, PipelineOutput, SamplingOptions } from "./options.ts"
import { choosesSampler } from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import { networkScoreModel, type ScoreModel, type ScoreModelOptions } from "./score-model.ts"

const pictureRange = [0, 1] as const

/**
 * Unconditional pictures from a variance-exploding SDE: predictor–corrector sampling (Song et al. 2021), step for step
 * as Diffusers' `ScoreSdeVePipeline`.
 */
export class ScoreSdeVePipeline extends DiffusionPipeline<ScoreSdeVeScheduler, UNet2DModel> {
  static readonly className: string = "ScoreSdeVePipeline"
  static readonly schedulerClass: typeof ScoreSdeVeScheduler = ScoreSdeVeScheduler
  static readonly networkClass: typeof UNet2DModel = UNet2DModel

  /**
   * Makes pictures in `numInferenceSteps` steps (default 2000), each of which evaluates the network once for the
   * predictor and `correctSteps` times for the corrector.
   *
   * @throws InputError, RandomError, PipelineError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: SamplingOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    if (choosesSampler(options)) return this.sampleScore(options)
    const { numInferenceSteps = 2000 } = options
    const scheduler = this.schedulerForCall()
    scheduler.setTimesteps(numInferenceSteps)
    scheduler.setSigmas(numInferenceSteps)
    const sampling = new Sampling(this, this.unet, options, numInferenceSteps)
    const made = await sampling.onDevice(() => linearSampler(scheduler))
    if (made) return sampling.output(made, pictureRange)
    const { generator } = sampling

    let sample = sampling.start(scheduler.initNoiseSigma)
    let mean = sample
    for (const [i, t] of scheduler.timesteps.entries()) {
      const sigma = scheduler.sigmas[i]!
      for (let j = 0; j < scheduler.config.correctSteps; j++) {
        const score = await sampling.evaluate(sample, sigma)
        sample = scheduler.stepCorrect(score, sample, { generator }).prevSample
      }
      const score = await sampling.evaluate(sample, sigma)
      const step = scheduler.stepPred(score, t, sample, { generator })
      const state = { latents: step.prevSample, denoised: step.prevSampleMean }
      ;({ latents: sample, denoised: mean } = await sampling.endStep(t, state))
    }
    return sampling.output(mean, pictureRange)
  }

  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    const { sigmaMin, sigmaMax, numTrainTimesteps, samplingEps, snr, correctSteps } = this.scheduler.config
    const { N = numTrainTimesteps } = options
    // 0 is for the numbers of Diffusers' steps alone: an ODE doesn't reach it.
    const sde = new VESDE({ sigmaMin, sigmaMax, N, samplingEps: samplingEps || undefined })
    const corrector = correctSteps > 0 ? "langevin" : "none"
    const pc = { predictor: "reverse_diffusion", corrector, snr, nStepsEach: correctSteps || 1 }
    return networkScoreModel(this.unet, sde, pictureRange, options, pc)
  }
}

function linearSampler(scheduler: ScoreSdeVeScheduler): LinearSampler {
  const { initNoiseSigma, timesteps, sigmas, config } = scheduler
  return {
    initNoiseSigma,
    labels: sigmas,
    steps: Array.from(timesteps, t => scheduler.linearStep(t)),
    clip: null,
    corrector: { snr: config.snr, steps: config.correctSteps },
    result: "prevSampleMean",
  }
}
