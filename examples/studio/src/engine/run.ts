// One run of a sampler, told to the page step by step.
import type { DiffusionPipeline, SamplingOptions } from "score-sde"
import { type Settings, samplerFacts, samplerOptions } from "../settings.ts"
import { Between } from "./between.ts"
import { frameOfImages } from "./frames.ts"
import { placeOf } from "./place.ts"
import type { Edit, Reply } from "./protocol.ts"
import { colorize, inpaint } from "./restore.ts"
import { Watch } from "./watch.ts"

/** Samples as the settings say, and posts every step and the pictures. */
export async function run(
  pipe: DiffusionPipeline,
  settings: Settings,
  edit: Edit | undefined,
  signal: AbortSignal,
  post: (reply: Reply, transfer?: Transferable[]) => void,
): Promise<void> {
  const started = performance.now()
  const { sampler, steps } = settings
  const watch = new Watch(pipe, sampler, post)
  const { images, nfe } = await make(pipe, settings, edit, {
    ...(samplerFacts(sampler).steps > 0 && { numInferenceSteps: steps }),
    signal,
    callbackOnStepEnd: (_, step, time, { latents, denoised }) =>
      watch.see(time, latents, denoised, step === steps - 1),
    onProgress: ({ step, totalSteps, nfe }) => watch.report(step, totalSteps, nfe),
  })
  const pictures = frameOfImages(images)
  const seconds = (performance.now() - started) / 1000
  post({ kind: "done", pictures, nfe, seconds, place: placeOf(pipe) }, [pictures.rgba.buffer])
}

function make(
  pipe: DiffusionPipeline,
  { mode, sampler, seed, seedTo, count }: Settings,
  edit: Edit | undefined,
  options: Pick<SamplingOptions, "numInferenceSteps" | "signal" | "callbackOnStepEnd" | "onProgress">,
) {
  switch (mode) {
    case "sample":
      return pipe({ ...samplerOptions(sampler), ...options, seed, batchSize: count })
    case "interpolate": {
      const generator = Array.from({ length: count }, (_, i) => new Between(seed, seedTo, i / (count - 1)))
      return pipe({ ...samplerOptions(sampler), ...options, generator, batchSize: count })
    }
    case "inpaint":
      return inpaint(pipe, requireEdit(edit), { ...options, seed, numImagesPerInput: count })
    case "colorize":
      return colorize(pipe, requireEdit(edit), { ...options, seed, numImagesPerInput: count })
  }
}

function requireEdit(edit: Edit | undefined): Edit {
  if (!edit) throw new Error("There is no picture to edit.")
  return edit
}
