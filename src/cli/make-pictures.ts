import { AbortError } from "../errors.ts"
import { Image } from "../image/image.ts"
import type { PipelineOutput, SamplingOptions } from "../pipelines/options.ts"
import type { Tensor } from "../tensor.ts"
import type { CommandContext } from "./context.ts"
import { countOf, formatSeconds } from "./format.ts"
import type { PictureOutput } from "./picture-output.ts"
import { type Batch, SamplingProgress } from "./sampling-progress.ts"
import { StripFrames } from "./strip-frames.ts"

/** What is to be made. */
export interface PictureRun {
  readonly numImages: number
  readonly batchSize: number
  /** Height and width. */
  readonly size: readonly [number, number]
  readonly device: string
  /** Where the random numbers come from, such as `seed 3 (philox)`. */
  readonly random: string
  readonly strip?: boolean | undefined
}

/** What is common to the calls of all batches: their form, and how steps are reported. */
type BatchSettings = Required<
  Pick<SamplingOptions<"pt">, "outputType" | "callbackOnStepEnd" | "onProgress" | "signal">
>

/** Makes pictures batch by batch, and says at the end what was made, or after Ctrl-C what is kept. */
export async function makePictures(
  { signal, terminal }: CommandContext,
  output: PictureOutput,
  { numImages, batchSize, size, device, random, strip: wantsStrip = false }: PictureRun,
  make: (batch: Batch, settings: BatchSettings) => Promise<PipelineOutput<"pt">>,
): Promise<void> {
  const pictures = `${countOf(numImages, "picture")} of ${size.join(" × ")}`
  terminal.note(`Sampling ${pictures} on ${device}, ${random}.`)
  const start = performance.now()
  const progress = new SamplingProgress(terminal, numImages)
  let nfe = 0
  let failure: unknown
  try {
    for (let first = 0; first < numImages; first += batchSize) {
      const batch = { first, count: Math.min(batchSize, numImages - first) }
      const strip = wantsStrip && first === 0 ? new StripFrames() : undefined
      let state: Tensor<"float32">
      const made = await make(batch, {
        outputType: "pt",
        callbackOnStepEnd: (_pipe, _step, _timestep, { latents }) => {
          state = latents
        },
        // Comes right after the callback, and knows how many steps there are.
        onProgress: ({ step, totalSteps }) => {
          strip?.add(step, totalSteps, state)
          progress.show(batch, step, totalSteps)
        },
        signal,
      })
      nfe += made.nfe
      await output.add(made.images)
      if (strip) await output.addStrip(strip.image(Image.fromTensor(made.images)))
    }
  } catch (error) {
    failure = error
  }
  terminal.endProgress()
  for (const path of await output.finish()) console.log(path)
  if (failure !== undefined) {
    const kept = whatIsKept(output.count, numImages)
    if (failure instanceof AbortError) {
      throw new AbortError(failure.cause, `Interrupted${progress.position}. ${kept}`)
    }
    if (output.count > 0) terminal.note(kept)
    throw failure
  }
  const time = formatSeconds((performance.now() - start) / 1000)
  terminal.note(`${pictures} in ${time}: ${countOf(nfe, "network evaluation")} on ${device}, ${random}.`)
}

function whatIsKept(count: number, numImages: number): string {
  return count === 0
    ? "No picture was done, and nothing is written."
    : `The ${count} of ${countOf(numImages, "picture")} that were done are kept.`
}
