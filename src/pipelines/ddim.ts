import { flag, type OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import { UNet2DModel } from "../models/unet2d/model.ts"
import { DDIMScheduler } from "../schedulers/ddim.ts"
import { chainScoreModel } from "./chain-score-model.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import { discreteSampler } from "./discrete-sampler.ts"
import { type OutputType, type PipelineOutput, type SamplingOptions, samplingOptions } from "./options.ts"
import { choosesSampler } from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import type { ScoreModel, ScoreModelOptions } from "./score-model.ts"

const pictureRange = [-1, 1] as const

/** What a {@link DDIMPipeline} can be called with. */
export interface DDIMOptions<T extends OutputType = "image"> extends SamplingOptions<T> {
  /** Noise added at each step, from 0 (none: the same noise always gives the same picture) to 1 (DDPM). Default 0. */
  readonly eta?: number | undefined
  /** Recomputes the predicted noise from the clipped picture. Default false. */
  readonly useClippedModelOutput?: boolean | undefined
}

export interface DDIMPipeline {
  /** Makes pictures; see {@link DDIMPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options?: DDIMOptions<T>): Promise<PipelineOutput<T>>
}

/** Unconditional pictures by denoising diffusion implicit models (Song et al. 2020), as Diffusers' `DDIMPipeline`. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class DDIMPipeline extends DiffusionPipeline<DDIMScheduler, UNet2DModel> {
  static readonly className: string = "DDIMPipeline"
  static readonly schedulerClass: typeof DDIMScheduler = DDIMScheduler
  static readonly networkClass: typeof UNet2DModel = UNet2DModel
  static override readonly callOptions: OptionList<DDIMOptions> = {
    type: "DDIMOptions",
    options: { ...samplingOptions.options, useClippedModelOutput: flag },
  }

  /**
   * Makes pictures in `numInferenceSteps` steps (default 50) of one evaluation each.
   *
   * @throws InputError, RandomError, PipelineError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: DDIMOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    if (choosesSampler(options, "eta")) {
      const { useClippedModelOutput, ...others } = options
      if (useClippedModelOutput === undefined) return this.sampleScore(others)
      throw new InputError(
        "INVALID_ARGUMENT",
        "useClippedModelOutput is a setting of the pipeline's own sampler.",
        {
          hint: "Leave it out, or leave out the sampler and its settings.",
        },
      )
    }
    const { numInferenceSteps = 50, eta = 0, useClippedModelOutput = false } = options
    const scheduler = this.schedulerForCall()
    scheduler.setTimesteps(numInferenceSteps)
    const sampling = new Sampling(this, this.unet, options, scheduler.timesteps.length)
    const made = await sampling.onDevice(() =>
      discreteSampler(scheduler, t => scheduler.linearStep(t, { eta, useClippedModelOutput })),
    )
    if (made) return sampling.output(made, pictureRange)
    const { generator } = sampling

    let sample = sampling.start(1)
    for (const t of scheduler.timesteps) {
      const output = await sampling.evaluate(sample, t)
      const step = scheduler.step(output, t, sample, { eta, useClippedModelOutput, generator })
      const state = { latents: step.prevSample, denoised: step.predOriginalSample }
      sample = (await sampling.endStep(t, state)).latents
    }
    return sampling.output(sample, pictureRange)
  }

  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    return chainScoreModel(this.unet, this.scheduler, options)
  }
}
