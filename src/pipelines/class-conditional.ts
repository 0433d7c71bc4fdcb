import type { OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import { ConditionalPipeline, type GuidanceSettings, guidanceOptions } from "./conditional-pipeline.ts"
import { type OutputType, type PipelineOutput, type SamplingOptions, samplingOptions } from "./options.ts"
import { sampleScore } from "./score-sampling.ts"

/** What a {@link ScoreSdeClassConditionalPipeline} is called with. */
export interface ClassConditionalOptions<T extends OutputType = "image">
  extends SamplingOptions<T>,
    GuidanceSettings {
  /** The class of the pictures, from 0; one for all, or one for each of them. */
  readonly classLabels: number | readonly number[]
}

export interface ScoreSdeClassConditionalPipeline {
  /** Makes pictures of a class; see {@link ScoreSdeClassConditionalPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options: ClassConditionalOptions<T>): Promise<PipelineOutput<T>>
}

/**
 * Pictures of a class from an unconditional model, guided by the gradient of a classifier of noisy pictures (Song et al.
 * 2021, appendix I.1), as score_sde's `get_pc_conditional_sampler`. Any sampler of the score can be chosen.
 *
 * ```ts
 * const classifier = await NoiseConditionalClassifier.fromPretrained("exp/classifier/wideresnet_noise_conditional")
 * const horses = new ScoreSdeClassConditionalPipeline(pipe, { classifier })
 * const { images } = await horses({ classLabels: 7, batchSize: 16, guidanceScale: 2 })
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class ScoreSdeClassConditionalPipeline extends ConditionalPipeline {
  static override readonly callOptions: OptionList<ClassConditionalOptions> = {
    type: "ClassConditionalOptions",
    options: { ...samplingOptions.options, ...guidanceOptions.options },
  }

  /**
   * Makes as many pictures as there are labels, or `batchSize` of one label.
   *
   * @throws InputError, SdeError, RandomError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: ClassConditionalOptions<T>,
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { classLabels, guidanceScale, latents, ...settings } = options
    if (classLabels === undefined) {
      throw new InputError("INVALID_ARGUMENT", "There are no classLabels.", {
        hint: "Say which class to guide to.",
      })
    }
    const asked = latents?.shape[0] ?? (typeof classLabels === "object" ? classLabels.length : 1)
    const { batchSize = asked } = settings
    const guidance = { classLabels, guidanceScale }
    const networks = this.networkLabels(guidance)
    return sampleScore(this.pipe, { sampler: "pc", ...settings, ...networks, latents, batchSize }, model => ({
      score: this.guided(model, guidance, batchSize, settings.signal),
    }))
  }
}
