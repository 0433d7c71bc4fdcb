import { InputError } from "../errors.ts"
import { comfortableBatch, takeRows } from "../pipelines/batches.ts"
import { ScoreSdeClassConditionalPipeline } from "../pipelines/class-conditional.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { createGenerator, type GeneratorKind } from "../random/randn-tensor.ts"
import { randomSeed, type Seed } from "../random/seed.ts"
import type { Tensor } from "../tensor.ts"
import { checkSpoolSize } from "./array-spool.ts"
import { loadFloats } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import { countOf } from "./format.ts"
import { type GuidanceArguments, loadGuidance } from "./guidance-options.ts"
import { loadModel } from "./load-model.ts"
import { makePictures } from "./make-pictures.ts"
import { type ComputationArguments, loadingOptions, type RepoArguments } from "./model-options.ts"
import { type PictureArguments, PictureOutput } from "./picture-output.ts"
import { type SamplerArguments, samplerSettingsOf } from "./sampler-options.ts"

interface SampleArguments
  extends RepoArguments,
    ComputationArguments,
    PictureArguments,
    SamplerArguments,
    GuidanceArguments {
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
  const guidance = await loadGuidance(options, pipe.unet, context)
  await using classifier = guidance.classifier
  const guided = classifier && new ScoreSdeClassConditionalPipeline(pipe, { classifier })
  const run = { numImages, batchSize, size, device, random: `seed ${seed} (${kind})`, strip: options.strip }
  await makePictures(context, output, run, ({ first, count }, settings) => {
    const request = {
      ...samplerSettingsOf(options),
      ...settings,
      numInferenceSteps: options.steps,
      generator,
      batchSize: count,
      latents: latents && takeRows(latents, first, count),
    }
    const { classLabels = 0, guidanceScale } = guidance.settings
    return guided
      ? guided({ ...request, classLabels, guidanceScale })
      : pipe({ ...request, classLabels: guidance.settings.classLabels })
  })
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
