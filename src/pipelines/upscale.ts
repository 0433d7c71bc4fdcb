import type { OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import { averagePooling } from "../sde/measurements.ts"
import { ConditionalPipeline, type RestorationSettings, restorationOptions } from "./conditional-pipeline.ts"
import type { OutputType, PipelineOutput } from "./options.ts"
import { type PictureSource, picturesOfShape, type ReadPictures, readPictures } from "./picture-source.ts"

/** What a {@link ScoreSdeUpscalePipeline} is called with. */
export interface UpscaleOptions<T extends OutputType = "image"> extends RestorationSettings<T> {
  /** Small pictures: the model's size divided by a whole number. */
  readonly image: PictureSource
}

export interface ScoreSdeUpscalePipeline {
  /** Enlarges pictures; see {@link ScoreSdeUpscalePipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options: UpscaleOptions<T>): Promise<PipelineOutput<T>>
}

/** Enlarges pictures to the model's size: pictures whose averages over squares of pixels are the given ones. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class ScoreSdeUpscalePipeline extends ConditionalPipeline {
  static override readonly callOptions: OptionList<UpscaleOptions> = {
    type: "UpscaleOptions",
    options: { ...restorationOptions.options, image: true },
  }

  /**
   * Makes pictures that give the small ones when each square of pixels is averaged.
   *
   * @throws InputError, ImageError, FileError, SdeError, RandomError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: UpscaleOptions<T>,
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { image, ...settings } = options
    return this.restore(settings, async ({ shape: [channels, height, width] }) => {
      const pictures = await readPictures("picture", image, settings.signal)
      const [smallHeight, smallWidth] = pictureSize(pictures, channels)
      const factor = height / smallHeight
      if (Number.isInteger(factor) && smallWidth * factor === width) {
        return averagePooling(picturesOfShape(pictures, [channels, smallHeight, smallWidth]), factor)
      }
      throw new InputError(
        "SHAPE_MISMATCH",
        `The picture has ${smallWidth} × ${smallHeight} pixels, which no whole number makes ${width} × ${height}.`,
        { hint: "Both sides must be those of the model's pictures, divided by the same number." },
      )
    })
  }
}

/** Height and width of pictures with that many channels, or grey ones. */
export function pictureSize(pictures: ReadPictures, channels: number): readonly [number, number] {
  if (!("dtype" in pictures)) return [pictures[0].height, pictures[0].width]
  const [first = 0, second = 0, third = 0] = pictures.shape.slice(-3)
  return first === channels || first === 1 ? [second, third] : [first, second]
}
