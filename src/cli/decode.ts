import { InputError } from "../errors.ts"
import { takeRows } from "../pipelines/batches.ts"
import type { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { interpolateLatents, lerp, slerp } from "../sde/latents.ts"
import type { Tensor } from "../tensor.ts"
import { loadFloats } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import { encodeFiles } from "./encode.ts"
import {
  batchRanges,
  type FlowArguments,
  flowOptions,
  interruptible,
  loadPipeline,
} from "./flow-arguments.ts"
import { FlowProgress } from "./flow-progress.ts"
import { countOf } from "./format.ts"
import { type PictureArguments, PictureOutput } from "./picture-output.ts"

interface DecodeArguments extends FlowArguments, PictureArguments {
  readonly latents: string
  readonly denoise?: boolean
}

/** `score-sde decode`: pictures of latents. */
export async function decode(
  model: string,
  options: DecodeArguments,
  context: CommandContext,
): Promise<void> {
  const latents = await loadFloats(options.latents, "latents")
  await using output = await PictureOutput.open(options, latents.shape[0] ?? 0)
  await using pipe = await loadPipeline(model, options, context)
  await decodeInto(output, pipe, latents, options, context)
}

interface InterpolateArguments extends FlowArguments, PictureArguments {
  readonly data?: readonly string[]
  readonly latents?: string
  readonly count: number
  readonly linear?: boolean
  readonly denoise?: boolean
}

/** `score-sde interpolate`: the way between the latents of two pictures, both ends included. */
export async function interpolate(
  model: string,
  options: InterpolateArguments,
  context: CommandContext,
): Promise<void> {
  const { data, latents: file, count, linear = false } = options
  if ((data === undefined) === (file === undefined)) {
    throw new InputError("INVALID_ARGUMENT", "The two ends are missing, or there are too many.", {
      hint: "Give --data with two pictures, or --latents with an array of two.",
    })
  }
  const given = file === undefined ? undefined : twoRows(await loadFloats(file, "latents"), file)
  await using output = await PictureOutput.open(options, count)
  await using pipe = await loadPipeline(model, options, context)
  const ends = given ?? twoRows(await encodeFiles(pipe, { ...options, data: data! }, context), "--data")
  const [a, b] = [takeRows(ends, 0, 1), takeRows(ends, 1, 1)]
  const way = interpolateLatents(a, b, count, linear ? lerp : slerp)
  await decodeInto(output, pipe, way, options, context)
}

function twoRows(latents: Tensor<"float32">, name: string): Tensor<"float32"> {
  if (latents.shape[0] === 2) return latents
  throw new InputError(
    "INVALID_ARGUMENT",
    `${name} gives ${latents.shape[0]} pictures, but the ends are two.`,
  )
}

async function decodeInto(
  output: PictureOutput,
  pipe: DiffusionPipeline,
  latents: Tensor<"float32">,
  options: FlowArguments & { readonly denoise?: boolean },
  context: CommandContext,
): Promise<void> {
  const { denoise } = options
  const count = latents.shape[0] ?? 0
  const [height = 1, width = 1] = latents.shape.slice(-2)
  const progress = new FlowProgress(context.terminal, "Decoding")
  try {
    await interruptible(
      context,
      async () => {
        for (const batch of batchRanges(count, options, [height, width])) {
          const onProgress = progress.handler(batch.first / count, batch.count / count)
          const settings = { ...flowOptions(options, batch, context), denoise, onProgress }
          const part = takeRows(latents, batch.first, batch.count)
          await output.add((await pipe.decode(part, { ...settings, outputType: "pt" })).images)
        }
      },
      () => `The ${output.count} of ${countOf(count, "picture")} that were done are kept.`,
    )
  } finally {
    for (const path of await output.finish()) console.log(path)
  }
  context.terminal.note(
    `${countOf(count, "picture")}: ${countOf(progress.nfe, "network evaluation")} on ${pipe.unet.device}.`,
  )
}
