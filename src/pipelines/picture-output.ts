import { InputError } from "../errors.ts"
import { Image } from "../image/image.ts"
import type { Tensor } from "../tensor.ts"
import { channelsLast } from "./channels-last.ts"
import type { OutputType, PipelineOutput } from "./options.ts"

const outputTypes: readonly OutputType[] = ["image", "pil", "pt", "np"]

/** @throws InputError `INVALID_ARGUMENT` */
export function checkOutputType(outputType: OutputType = "image"): void {
  if (outputTypes.includes(outputType)) return
  throw new InputError("INVALID_ARGUMENT", `There is no outputType "${outputType}".`, {
    hint: `It is one of ${outputTypes.join(", ")}.`,
  })
}

/** The pictures from a sample, whose black and white are the ends of `range`; numbers beyond are clamped. */
export function pictureOutput<T extends OutputType>(
  sample: Tensor<"float32">,
  range: readonly [black: number, white: number],
  nfe: number,
  outputType: OutputType = "image",
): PipelineOutput<T> {
  if (outputType === "image" || outputType === "pil") {
    return { images: Image.fromTensor(sample, { range }) as never, nfe }
  }
  const [black, white] = range
  const data = sample.data.map(x => Math.min(Math.max((x - black) / (white - black), 0), 1))
  const unit: Tensor<"float32"> = { dtype: "float32", shape: sample.shape, data }
  const images = outputType === "pt" ? unit : channelsLast(unit)
  return { images: images as PipelineOutput<T>["images"], nfe }
}
