import type { Image } from "../image/image.ts"
import { comfortableBatch, takeRows } from "../pipelines/batches.ts"
import { ScoreSdeColorizationPipeline } from "../pipelines/colorization.ts"
import type { RestorationSettings } from "../pipelines/conditional-pipeline.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { ScoreSdeInpaintPipeline } from "../pipelines/inpaint.ts"
import { readMasks } from "../pipelines/mask-source.ts"
import type { OutputType, PipelineOutput } from "../pipelines/options.ts"
import type { PictureInput } from "../pipelines/picture-input.ts"
import { opaqueParts, picturesOfShape, type ReadPictures } from "../pipelines/picture-source.ts"
import { pictureSize, ScoreSdeUpscalePipeline } from "../pipelines/upscale.ts"
import { createGenerator, type GeneratorKind } from "../random/randn-tensor.ts"
import { randomSeed, type Seed } from "../random/seed.ts"
import { repeatSamples } from "../sde/repeat.ts"
import type { Tensor } from "../tensor.ts"
import { checkSpoolSize } from "./array-spool.ts"
import { loadArray } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import { type GuidanceArguments, loadGuidance } from "./guidance-options.ts"
import { loadModel } from "./load-model.ts"
import { makePictures } from "./make-pictures.ts"
import { type ComputationArguments, loadingOptions, type RepoArguments } from "./model-options.ts"
import { loadPictures } from "./picture-files.ts"
import { type PictureArguments, PictureOutput } from "./picture-output.ts"
import { type SamplerArguments, samplerSettingsOf } from "./sampler-options.ts"

interface RestoreArguments
  extends RepoArguments,
    ComputationArguments,
    PictureArguments,
    SamplerArguments,
    GuidanceArguments {
  readonly image: readonly string[]
  readonly numImages: number
  readonly batchSize?: number
  readonly steps?: number
  readonly seed?: Seed
  readonly generator?: GeneratorKind
  readonly compat?: boolean
}

interface InpaintArguments extends RestoreArguments {
  readonly mask?: readonly string[]
  readonly maskWhite: "keep" | "fill"
}

type Shape = readonly [channels: number, height: number, width: number]

/** What a command does with the inputs of one batch; each array has an entry for each picture to be made. */
interface Restoration {
  /** The inputs in the form of arrays, given the shape of the model's pictures. */
  readonly inputs: (pictures: ReadPictures, shape: Shape) => Promise<readonly Tensor<"float32">[]>
  readonly make: (
    pipe: DiffusionPipeline,
    inputs: readonly Tensor<"float32">[],
    settings: RestorationSettings<"pt">,
    classifier: ConstructorParameters<typeof ScoreSdeInpaintPipeline>[1],
  ) => Promise<PipelineOutput<OutputType & "pt">>
}

/** `score-sde inpaint` */
export function inpaint(model: string, options: InpaintArguments, context: CommandContext): Promise<void> {
  return restore(model, options, context, {
    async inputs(pictures, shape) {
      const images = picturesOfShape(pictures, shape)
      const mask = options.mask ? await loadMasks(options.mask, shape, context) : opaqueParts(pictures)
      // Without a mask the pipeline says what is missing.
      if (!mask) return [images]
      const count = Math.max(images.shape[0]!, mask.shape[0]!)
      return [images, mask].map(one => (one.shape[0] === 1 ? repeatSamples(one, count) : one))
    },
    make: (pipe, [image, mask], settings, components) =>
      new ScoreSdeInpaintPipeline(pipe, components)({
        ...settings,
        image: image!,
        mask,
        // Alpha is what is kept.
        maskWhite: options.mask ? options.maskWhite : "keep",
      }),
  })
}

/** `score-sde colorize` */
export function colorize(model: string, options: RestoreArguments, context: CommandContext): Promise<void> {
  return restore(model, options, context, {
    inputs: async (pictures, shape) => [picturesOfShape(pictures, shape)],
    make: (pipe, [image], settings, components) =>
      new ScoreSdeColorizationPipeline(pipe, components)({ ...settings, image: image! }),
  })
}

/** `score-sde upscale` */
export function upscale(model: string, options: RestoreArguments, context: CommandContext): Promise<void> {
  return restore(model, options, context, {
    inputs: async (pictures, [channels]) => [
      picturesOfShape(pictures, [channels, ...pictureSize(pictures, channels)]),
    ],
    make: (pipe, [image], settings, components) =>
      new ScoreSdeUpscalePipeline(pipe, components)({ ...settings, image: image! }),
  })
}

async function restore(
  model: string,
  options: RestoreArguments,
  context: CommandContext,
  { inputs, make }: Restoration,
): Promise<void> {
  const pictures = readable(await loadPictures(options.image))
  await using pipe = await loadModel(context, options, () =>
    DiffusionPipeline.fromPretrained(model, loadingOptions(options, context)),
  )
  const { shape } = pipe.scoreModel()
  const size = [shape[1], shape[2]] as const
  const given = (await inputs(pictures, shape)).map(one => repeatSamples(one, options.numImages))
  const numImages = Math.max(...given.map(one => one.shape[0]!))
  await using output = await PictureOutput.open(options, numImages)
  if (options.outNpz !== undefined) checkSpoolSize([numImages, ...shape], options.outNpz)
  const guidance = await loadGuidance(options, pipe.unet, context)
  await using _classifier = guidance.classifier
  const seed = options.seed ?? randomSeed()
  const kind = options.generator ?? (numImages === 1 ? "torch" : "philox")
  const generator = createGenerator(kind, seed)

  const batchSize = Math.min(numImages, options.batchSize ?? comfortableBatch(size))
  const run = { numImages, batchSize, size, device: pipe.unet.device, random: `seed ${seed} (${kind})` }
  await makePictures(context, output, run, ({ first, count }, settings) =>
    make(
      pipe,
      given.map(one => takeRows(one, first, count)),
      {
        ...samplerSettingsOf(options),
        ...guidance.settings,
        ...settings,
        compat: options.compat,
        numInferenceSteps: options.steps,
        generator,
      },
      { classifier: guidance.classifier },
    ),
  )
}

function readable(pictures: PictureInput): ReadPictures {
  return "dtype" in pictures ? pictures : ([pictures].flat() as unknown as readonly [Image, ...Image[]])
}

async function loadMasks(
  paths: readonly string[],
  shape: Shape,
  { signal }: CommandContext,
): Promise<Tensor<"float32">> {
  const [path, ...more] = paths
  const isArray = more.length === 0 && /\.np[yz]$/i.test(path!)
  return readMasks(isArray ? await loadArray(path!, "mask") : paths, shape, signal)
}
