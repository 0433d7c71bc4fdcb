import { AbortError, InputError } from "../errors.ts"
import { Image } from "../image/image.ts"
import { comfortableBatch, takeRows } from "../pipelines/batches.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import type { PipelineOutput, SamplingOptions } from "../pipelines/options.ts"
import { createGenerator, type GeneratorKind } from "../random/randn-tensor.ts"
import { randomSeed, type Seed } from "../random/seed.ts"
import type { Tensor } from "../tensor.ts"
import { checkSpoolSize } from "./array-spool.ts"
import { loadFloats } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import { countOf, formatSeconds } from "./format.ts"
import { loadModel } from "./load-model.ts"
import { type ComputationArguments, loadingOptions, type RepoArguments } from "./model-options.ts"
import { type PictureArguments, PictureOutput } from "./picture-output.ts"
import { type SamplerArguments, samplerSettingsOf } from "./sampler-options.ts"
import { type Batch, SamplingProgress } from "./sampling-progress.ts"
import { StripFrames } from "./strip-frames.ts"

interface SampleArguments extends RepoArguments, ComputationArguments, PictureArguments, SamplerArguments {
  readonly numImages?: number
  readonly batchSize?: number
  readonly steps?: number
  readonly seed?: Seed
  readonly generator?: GeneratorKind
  readonly latents?: string
}

/** `score-sde sample`: makes pictures batch by batch, so that memory stays the same however many they are. */
export async function sample(
  model: string,
  options: SampleArguments,
  context: CommandContext,
): Promise<void> {
  const { signal, terminal } = context
  if (options.strip && options.sampler === "ode") {
    throw new InputError("INVALID_ARGUMENT", "The sampler ode has no steps that --strip could show.")
  }
  const latents = options.latents === undefined ? undefined : await loadFloats(options.latents, "latents")
  const numImages = pictureCount(options, latents)
  await using output = await PictureOutput.open(options, numImages)
  const seed = options.seed ?? randomSeed()
  const kind = options.generator ?? (numImages === 1 ? "torch" : "philox")
  const generator = createGenerator(kind, seed)

  await using pipe = await loadModel(context, options, () =>
    DiffusionPipeline.fromPretrained(model, loadingOptions(options, context)),
  )
  const { size, outChannels, device } = pipe.unet
  if (options.outNpz !== undefined) {
    checkSpoolSize([numImages, ...size, outChannels], options.outNpz)
  }
  const batchSize = Math.min(numImages, options.batchSize ?? comfortableBatch(size))
  const pictures = `${countOf(numImages, "picture")} of ${size.join(" × ")}`
  const random = `seed ${seed} (${kind})`
  terminal.note(`Sampling ${pictures} on ${device}, ${random}.`)

  const start = performance.now()
  const progress = new SamplingProgress(terminal, numImages)
  let nfe = 0
  let failure: unknown
  try {
    for (let first = 0; first < numImages; first += batchSize) {
      const batch = { first, count: Math.min(batchSize, numImages - first) }
      const strip = options.strip && first === 0 ? new StripFrames() : undefined
      const settings = samplerSettingsOf(options)
      const request = { ...settings, numInferenceSteps: options.steps, generator, signal }
      const made = await makeBatch(pipe, batch, { ...request, latents }, (step, totalSteps, state) => {
        strip?.add(step, totalSteps, state)
        progress.show(batch, step, totalSteps)
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

/** @param onStep - Called after each step, with its number from 1 and the sample that it led to. */
function makeBatch(
  pipe: DiffusionPipeline,
  { first, count }: Batch,
  { latents, ...options }: SamplingOptions<"pt">,
  onStep: (step: number, totalSteps: number, state: Tensor<"float32">) => void,
): Promise<PipelineOutput<"pt">> {
  let state: Tensor<"float32">
  return pipe({
    ...options,
    outputType: "pt",
    batchSize: count,
    latents: latents && takeRows(latents, first, count),
    callbackOnStepEnd: (_pipe, _step, _timestep, { latents: reached }) => {
      state = reached
    },
    // Comes right after the callback, and knows how many steps there are.
    onProgress: ({ step, totalSteps }) => onStep(step, totalSteps, state),
  })
}

function whatIsKept(count: number, numImages: number): string {
  return count === 0
    ? "No picture was done, and nothing is written."
    : `The ${count} of ${countOf(numImages, "picture")} that were done are kept.`
}

function pictureCount({ numImages, latents: file }: SampleArguments, latents: Tensor | undefined): number {
  if (!latents) return numImages ?? 1
  const { shape } = latents
  const [found = 0] = shape
  if (shape.length !== 4 || found === 0) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `${file} has shape [${shape.join(", ")}], but latents are [N, C, H, W].`,
    )
  }
  if (numImages !== undefined && numImages > found) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `${file} holds noise for ${countOf(found, "picture")}, but --num-images asks for ${numImages}.`,
    )
  }
  return numImages ?? found
}
