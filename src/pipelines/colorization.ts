import type { OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import { colorization } from "../sde/measurements.ts"
import { ConditionalPipeline, type RestorationSettings, restorationOptions } from "./conditional-pipeline.ts"
import type { OutputType, PipelineOutput } from "./options.ts"
import { type PictureSource, picturesOfShape, readPictures } from "./picture-source.ts"

/** What a {@link ScoreSdeColorizationPipeline} is called with. */
export interface ColorizationOptions<T extends OutputType = "image"> extends RestorationSettings<T> {
  /** Grey pictures of the model's size. Of a coloured one, the mean of the channels is what is known. */
  readonly image: PictureSource
}

export interface ScoreSdeColorizationPipeline {
  /** Finds colours; see {@link ScoreSdeColorizationPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options: ColorizationOptions<T>): Promise<PipelineOutput<T>>
}

/** Finds the colours of grey pictures (Song et al. 2021, appendix I.3), as score_sde's `get_pc_colorizer`. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class ScoreSdeColorizationPipeline extends ConditionalPipeline {
  static override readonly callOptions: OptionList<ColorizationOptions> = {
    type: "ColorizationOptions",
    options: { ...restorationOptions.options, image: true },
  }

  /**
   * Makes pictures whose channels have the mean of the given ones.
   *
   * @throws InputError, ImageError, FileError, SdeError, RandomError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: ColorizationOptions<T>,
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { image, ...settings } = options
    return this.restore(settings, async ({ shape }) => {
      if (shape[0] < 2) throw new InputError("INVALID_ARGUMENT", "The model's pictures have no colours.")
      return colorization(picturesOfShape(await readPictures("picture", image, settings.signal), shape))
    })
  }
}
