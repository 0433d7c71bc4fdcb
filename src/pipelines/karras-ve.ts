import { UNet2DModel } from "../models/unet2d/model.ts"
import { KarrasVeScheduler } from "../schedulers/karras-ve.ts"
import { VESDE } from "../sde/ve-sde.ts"
import type { Tensor } from "../tensor.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { OutputType, PipelineOutput, SamplingOptions } from "./options.ts"
import { choosesSampler } from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import { networkScoreModel, type ScoreModel, type ScoreModelOptions } from "./score-model.ts"

/**
 * Unconditional pictures from a network of the variance-exploding SDE by the stochastic sampler of Karras et al. (2022,
 * algorithm 2), step for step as Diffusers' `KarrasVePipeline`. The network of a `ScoreSdeVePipeline` fits:
 *
 * ```ts
 * new KarrasVePipeline({ unet: pipe.unet, scheduler: new KarrasVeScheduler({ sigmaMax: 10 }) })
 * ```
 *
 * The noise levels are the scheduler's, with the root that Diffusers leaves out: from `sigmaMax²` down to `sigmaMin²`.
 * The sampler `stochastic_heun` of every pipeline has the paper's.
 */
export class KarrasVePipeline extends DiffusionPipeline<KarrasVeScheduler, UNet2DModel> {
  static readonly className: string = "KarrasVePipeline"
  static readonly schedulerClass: typeof KarrasVeScheduler = KarrasVeScheduler
  static readonly networkClass: typeof UNet2DModel = UNet2DModel

  /**
   * Makes pictures in `numInferenceSteps` steps (default 50) of two evaluations each, the last of one.
   *
   * @throws InputError, RandomError, PipelineError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: SamplingOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    if (choosesSampler(options)) return this.sampleScore(options)
    const { numInferenceSteps = 50 } = options
    const scheduler = this.schedulerForCall()
    scheduler.setTimesteps(numInferenceSteps)
    const sampling = new Sampling(this, this.unet, options, numInferenceSteps)
    const { generator } = sampling
    // The network's pictures lie in [0, 1], at half the noise of the scheduler's in [−1, 1].
    const evaluate = async (x: Tensor<"float32">, sigma: number): Promise<Tensor<"float32">> => {
      const unit = { ...x, data: x.data.map(value => (value + 1) / 2) }
      const score = await sampling.evaluate(unit, sigma / 2)
      return { ...score, data: score.data.map(value => (sigma / 2) * value) }
    }

    let sample = sampling.start(scheduler.initNoiseSigma)
    for (const t of scheduler.timesteps) {
      const [sigma, sigmaPrev] = [scheduler.schedule[t]!, t > 0 ? scheduler.schedule[t - 1]! : 0]
      const { sampleHat, sigmaHat } = scheduler.addNoiseToInput(sample, sigma, { generator })
      let step = scheduler.step(await evaluate(sampleHat, sigmaHat), sigmaHat, sigmaPrev, sampleHat)
      if (sigmaPrev !== 0) {
        const { prevSample, derivative } = step
        const output = await evaluate(prevSample, sigmaPrev)
        step = scheduler.stepCorrect(output, sigmaHat, sigmaPrev, sampleHat, prevSample, derivative)
      }
      const state = { latents: step.prevSample, denoised: step.predOriginalSample }
      sample = (await sampling.endStep(sigma, state)).latents
    }
    return sampling.output(sample, [-1, 1])
  }

  /** The VE SDE between the scheduler's noise levels. */
  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    const { sigmaMin, sigmaMax } = this.scheduler.config
    const sde = new VESDE({ sigmaMin: sigmaMin ** 2 / 2, sigmaMax: sigmaMax ** 2 / 2, N: options.N })
    const pc = { predictor: "reverse_diffusion", corrector: "langevin", snr: 0.16 }
    return networkScoreModel(this.unet, sde, [0, 1], options, pc)
  }
}
