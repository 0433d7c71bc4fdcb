import { denoisingStrip } from "../image/denoising-strip.ts"
import { Image } from "../image/image.ts"
import type { Tensor } from "../tensor.ts"
import { takeRows } from "./rows.ts"

const columns = 8
const mostPictures = 4

/** Keeps the samples of a few steps, evenly spaced, to show how the first pictures of a batch come out of noise. */
export class StripFrames {
  readonly #frames: Tensor<"float32">[] = []

  /** Call it after every step; `step` counts from 0. */
  add(step: number, totalSteps: number, latents: Tensor<"float32">): void {
    const next = Math.round((this.#frames.length * (totalSteps - 1)) / (columns - 1))
    if (step !== next || this.#frames.length === columns - 1) return
    this.#frames.push(takeRows(latents, 0, mostPictures))
  }

  /** The strip, which ends with the finished pictures. Noise is shown from its least to its greatest number. */
  image(finished: readonly Image[]): Image {
    const noisy = this.#frames.map(frame => Image.fromTensor(frame, { range: "auto" }))
    return denoisingStrip([...noisy, finished.slice(0, mostPictures)])
  }
}
