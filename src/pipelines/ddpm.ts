import { UNet2DModel } from "../models/unet2d/model.ts"
import { DDPMScheduler } from "../schedulers/ddpm.ts"
import { chainScoreModel } from "./chain-score-model.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import { discreteSampler } from "./discrete-sampler.ts"
import type { OutputType, PipelineOutput, SamplingOptions } from "./options.ts"
import { choosesSampler } from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import type { ScoreModel, ScoreModelOptions } from "./score-model.ts"

const pictureRange = [-1, 1] as const

/** Unconditional pictures by denoising diffusion (Ho et al. 2020), as Diffusers' `DDPMPipeline`. */
export class DDPMPipeline extends DiffusionPipeline<DDPMScheduler, UNet2DModel> {
  static readonly className: string = "DDPMPipeline"
  static readonly schedulerClass: typeof DDPMScheduler = DDPMScheduler
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
    const sampling = new Sampling(this, this.unet, options, scheduler.timesteps.length)
    const made = await sampling.onDevice(() => discreteSampler(scheduler, t => scheduler.linearStep(t)))
    if (made) return sampling.output(made, pictureRange)

    let sample = sampling.start(1)
    for (const t of scheduler.timesteps) {
      const output = await sampling.evaluate(sample, t)
      const step = scheduler.step(output, t, sample, { generator: sampling.generator })
      const state = { latents: step.prevSample, denoised: step.predOriginalSample }
      sample = (await sampling.endStep(t, state)).latents
    }
    return sampling.output(sample, pictureRange)
  }

  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    return chainScoreModel(this.unet, this.scheduler, options)
  }
}
