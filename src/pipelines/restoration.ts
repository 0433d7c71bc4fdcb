import { type OptionList, object } from "../check-options.ts"
import { InputError } from "../errors.ts"
import type { Measurement } from "../sde/measurements.ts"
import { checkTensor } from "../tensor.ts"
import { ConditionalPipeline, type RestorationSettings, restorationOptions } from "./conditional-pipeline.ts"
import type { OutputType, PipelineOutput } from "./options.ts"

/** What a {@link ScoreSdeRestorationPipeline} is called with. */
export interface RestorationOptions<T extends OutputType = "image"> extends RestorationSettings<T> {
  /**
   * What is known, of pictures in [0, 1] whatever the model's range: `inpainting`, `colorization`, `averagePooling`, or
   * `linearMeasurement` for any other.
   */
  readonly measurement: Measurement
}

export interface ScoreSdeRestorationPipeline {
  /** Restores pictures; see {@link ScoreSdeRestorationPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options: RestorationOptions<T>): Promise<PipelineOutput<T>>
}

/**
 * Pictures that agree with a linear measurement: what an instrument, a blur or a subsampling has left of them.
 *
 * ```ts
 * const measurement = linearMeasurement(y, measure, pseudoInverse)
 * const { images } = await new ScoreSdeRestorationPipeline(pipe)({ measurement, numImagesPerInput: 4 })
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class ScoreSdeRestorationPipeline extends ConditionalPipeline {
  static override readonly callOptions: OptionList<RestorationOptions> = {
    type: "RestorationOptions",
    options: { ...restorationOptions.options, measurement: object },
  }

  /**
   * Makes pictures of which the measurement would be the same.
   *
   * @throws InputError, SdeError, RandomError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: RestorationOptions<T>,
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { measurement, ...settings } = options
    checkTensor("measurement.data", measurement?.data)
    if (typeof measurement.known !== "function") {
      throw new InputError("INVALID_ARGUMENT", "measurement.known is no function.", {
        hint: "inpainting, colorization, averagePooling and linearMeasurement make measurements.",
      })
    }
    return this.restore(settings, () => measurement)
  }
}
