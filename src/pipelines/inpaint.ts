import type { OptionList } from "../check-options.ts"
import { InputError } from "../errors.ts"
import { inpainting } from "../sde/measurements.ts"
import { repeatSamples } from "../sde/repeat.ts"
import type { Tensor } from "../tensor.ts"
import { ConditionalPipeline, type RestorationSettings, restorationOptions } from "./conditional-pipeline.ts"
import { readMasks } from "./mask-source.ts"
import type { OutputType, PipelineOutput } from "./options.ts"
import { opaqueParts, type PictureSource, picturesOfShape, readPictures } from "./picture-source.ts"

/** What a {@link ScoreSdeInpaintPipeline} is called with. */
export interface InpaintOptions<T extends OutputType = "image"> extends RestorationSettings<T> {
  /** The pictures, of the model's size. What the mask does not keep of them is not looked at. */
  readonly image: PictureSource
  /**
   * What to keep: white or 1 for a known pixel, black or 0 for one that is to be filled, as in score_sde. One for all
   * pictures or one for each; of a picture, what is brighter than half counts as white. Default: the picture's alpha,
   * whose transparent part is filled.
   */
  readonly mask?: PictureSource | undefined
  /** What white means in the mask: "keep" as in score_sde, or "fill" as in Diffusers' Stable Diffusion. Default "keep". */
  readonly maskWhite?: "keep" | "fill" | undefined
}

export interface ScoreSdeInpaintPipeline {
  /** Fills parts of pictures; see {@link ScoreSdeInpaintPipeline.generate}. */
  // biome-ignore lint/style/useShorthandFunctionType: merges with the class below
  <T extends OutputType = "image">(options: InpaintOptions<T>): Promise<PipelineOutput<T>>
}

/**
 * Fills the missing parts of pictures (Song et al. 2021, appendix I.2), as score_sde's `get_pc_inpainter`.
 *
 * ```ts
 * const inpaint = new ScoreSdeInpaintPipeline(await DiffusionPipeline.fromPretrained("google/ncsnpp-church-256"))
 * const { images } = await inpaint({ image: "church.png", mask: "mask.png" })
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: how TypeScript writes that an instance can be called
export class ScoreSdeInpaintPipeline extends ConditionalPipeline {
  static override readonly callOptions: OptionList<InpaintOptions> = {
    type: "InpaintOptions",
    options: { ...restorationOptions.options, image: true, mask: true, maskWhite: true },
  }

  /**
   * Makes pictures whose kept part is that of the given ones.
   *
   * @throws InputError, ImageError, FileError, SdeError, RandomError, RuntimeError; AbortError.
   */
  override async generate<T extends OutputType = "image">(
    options: InpaintOptions<T>,
  ): Promise<PipelineOutput<T>> {
    this.checkOptions(options)
    const { image, mask, maskWhite = "keep", ...settings } = options
    if (maskWhite !== "keep" && maskWhite !== "fill") {
      throw new InputError("INVALID_ARGUMENT", `maskWhite is "${maskWhite}", but is "keep" or "fill".`)
    }
    const { signal } = settings
    return this.restore(settings, async ({ shape }) => {
      const pictures = await readPictures("picture", image, signal)
      const images = picturesOfShape(pictures, shape)
      const kept =
        mask === undefined ? opaqueParts(pictures) : keptPart(await readMasks(mask, shape, signal), maskWhite)
      if (!kept) {
        throw new InputError(
          "INVALID_ARGUMENT",
          "There is no mask, and the picture has no transparent part.",
          {
            hint: "Give a mask, or make transparent what is to be filled.",
          },
        )
      }
      const count = Math.max(images.shape[0]!, kept.shape[0]!)
      return inpainting(forEach(images, count, "pictures"), forEach(kept, count, "masks"))
    })
  }
}

function keptPart(mask: Tensor<"float32">, white: "keep" | "fill"): Tensor<"float32"> {
  return white === "keep" ? mask : { ...mask, data: mask.data.map(value => 1 - value) }
}

/** As many as there are of the other; one is taken for all. */
function forEach(batch: Tensor<"float32">, count: number, name: string): Tensor<"float32"> {
  const [found = 0] = batch.shape
  if (found === count) return batch
  if (found === 1) return repeatSamples(batch, count)
  throw new InputError(
    "SHAPE_MISMATCH",
    `There are ${found} ${name}, but ${count} ${name === "masks" ? "pictures" : "masks"}.`,
    { hint: "Give one for all, or one for each." },
  )
}
