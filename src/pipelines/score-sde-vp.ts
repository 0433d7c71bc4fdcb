import { UNet2DModel } from "../models/unet2d/model.ts"
import { ScoreSdeVpScheduler } from "../schedulers/score-sde-vp.ts"
import { VPSDE } from "../sde/vp-sde.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { LinearSampler } from "./on-device.ts"
import type { OutputType, PipelineOutput, SamplingOptions } from "./options.ts"
import { choosesSampler } from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import { networkScoreModel, type ScoreModel, type ScoreModelOptions } from "./score-model.ts"

const pictureRange = [-1, 1] as const

// score_sde gives the network t·999, whatever the number of steps it was trained with.
const labelScale = 999

/**
 * Unconditional pictures from a variance-preserving SDE: Euler–Maruyama on the reverse SDE, as score_sde's predictor
 * `euler_maruyama` (Song et al. 2021). Diffusers has the scheduler, but no pipeline for it. The network predicts the
 * noise, and is given 999·t.
 */
export class ScoreSdeVpPipeline extends DiffusionPipeline<ScoreSdeVpScheduler, UNet2DModel> {
  static readonly className: string = "ScoreSdeVpPipeline"
  static readonly schedulerClass: typeof ScoreSdeVpScheduler = ScoreSdeVpScheduler
  static readonly networkClass: typeof UNet2DModel = UNet2DModel

  /**
   * Makes pictures in `numInferenceSteps` steps (default 1000) of one evaluation each.
   *
   * @throws InputError, RandomError, PipelineError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: SamplingOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    if (choosesSampler(options)) return this.sampleScore(options)
    const { numInferenceSteps = 1000 } = options
    const scheduler = this.schedulerForCall()
    scheduler.setTimesteps(numInferenceSteps)
    const sampling = new Sampling(this, this.unet, options, numInferenceSteps)
    const made = await sampling.onDevice(() => linearSampler(scheduler))
    if (made) return sampling.output(made, pictureRange)

    let sample = sampling.start(1)
    let mean = sample
    for (const t of scheduler.timesteps) {
      const output = await sampling.evaluate(sample, labelScale * t)
      const step = scheduler.stepPred(output, sample, t, { generator: sampling.generator })
      const state = { latents: step.prevSample, denoised: step.prevSampleMean }
      ;({ latents: sample, denoised: mean } = await sampling.endStep(t, state))
    }
    return sampling.output(mean, pictureRange)
  }

  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    const { betaMin, betaMax, numTrainTimesteps, samplingEps } = this.scheduler.config
    const { N = numTrainTimesteps } = options
    const sde = new VPSDE({ betaMin, betaMax, N, samplingEps })
    return networkScoreModel(this.unet, sde, pictureRange, options, { predictor: "euler_maruyama" })
  }
}

function linearSampler(scheduler: ScoreSdeVpScheduler): LinearSampler {
  const { initNoiseSigma, timesteps } = scheduler
  return {
    initNoiseSigma,
    labels: timesteps.map(t => labelScale * t),
    steps: Array.from(timesteps, t => scheduler.linearStep(t)),
    clip: null,
    result: "prevSampleMean",
  }
}
