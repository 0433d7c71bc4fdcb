import { ScoreNetworkModel } from "../models/score-sde/model.ts"
import { ScoreSdeScheduler } from "../schedulers/score-sde.ts"
import { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { OutputType, PipelineOutput, SamplingOptions } from "./options.ts"
import { choosesSampler, type PcDefaults } from "./sampler-settings.ts"
import { networkScoreModel, type ScoreModel, type ScoreModelOptions } from "./score-model.ts"

/**
 * Unconditional pictures from a model of score_sde, as its configuration says: SDE, predictor, corrector, signal-to-noise
 * ratio and the range of the data. `exportScoreSde` makes such a model from a checkpoint.
 */
export class ScoreSdePipeline extends DiffusionPipeline<ScoreSdeScheduler, ScoreNetworkModel> {
  static readonly className: string = "ScoreSdePipeline"
  static readonly schedulerClass: typeof ScoreSdeScheduler = ScoreSdeScheduler
  static readonly networkClass: typeof ScoreNetworkModel = ScoreNetworkModel

  /**
   * Makes pictures with the configuration's sampler, or the one that `options` choose. Predictor–corrector sampling takes
   * as many steps as the configuration has noise levels, unless `numInferenceSteps` says otherwise.
   *
   * @throws InputError, RandomError, SdeError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: SamplingOptions<T> = {},
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { method, noiseRemoval } = this.scheduler.config
    if (method === "ode" && !choosesSampler(options)) {
      const { numInferenceSteps, ...others } = options
      return this.sampleScore({ ...others, sampler: "ode", denoise: noiseRemoval })
    }
    return this.sampleScore(options)
  }

  override scoreModel(options: ScoreModelOptions = {}): ScoreModel {
    const { predictor, corrector, snr, nStepsEach, probabilityFlow, noiseRemoval, continuous } =
      this.scheduler.config
    const pc: PcDefaults = {
      predictor,
      corrector,
      snr,
      nStepsEach,
      probabilityFlow,
      denoise: noiseRemoval,
    }
    const trained = { sde: this.scheduler.createSde(), continuous }
    const sde = this.scheduler.createSde(options.N)
    return networkScoreModel(this.unet, sde, this.scheduler.range, options, pc, trained)
  }
}
