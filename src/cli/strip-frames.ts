import { denoisingStrip } from "../image/denoising-strip.ts"
import { Image } from "../image/image.ts"
import { takeRows } from "../pipelines/batches.ts"
import type { Tensor } from "../tensor.ts"

const columns = 8
const mostPictures = 4

/** Keeps the samples of a few steps, evenly spaced, to show how the first pictures of a batch come out of noise. */
export class StripFrames {
  readonly #frames: Tensor<"float32">[] = []

  /** Call it after every step; `step` counts from 1. */
  add(step: number, totalSteps: number, latents: Tensor<"float32">): void {
    if (shownSteps(totalSteps).includes(step)) this.#frames.push(takeRows(latents, 0, mostPictures))
  }

  /** The strip, which ends with the finished pictures. Noise is shown from its least to its greatest number. */
  image(finished: readonly Image[]): Image {
    const noisy = this.#frames.map(frame => Image.fromTensor(frame, { range: "auto" }))
    return denoisingStrip([...noisy, finished.slice(0, mostPictures)])
  }
}

/** The steps before the last one, whose place the finished pictures take. */
function shownSteps(totalSteps: number): number[] {
  const last = totalSteps - 1
  if (last < columns) return Array.from({ length: last }, (_, i) => i + 1)
  return Array.from({ length: columns - 1 }, (_, column) => 1 + Math.round((column * last) / (columns - 1)))
}
