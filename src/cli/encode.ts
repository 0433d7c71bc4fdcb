import { joinRows, takeRows } from "../pipelines/batches.ts"
import type { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { pictureTensor } from "../pipelines/picture-input.ts"
import type { Tensor } from "../tensor.ts"
import { saveArray } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import {
  batchRanges,
  type FlowArguments,
  flowOptions,
  interruptible,
  loadPipeline,
} from "./flow-arguments.ts"
import { FlowProgress } from "./flow-progress.ts"
import { countOf } from "./format.ts"
import { checkOutputFile } from "./output-path.ts"
import { loadPictures } from "./picture-files.ts"

interface EncodeArguments extends FlowArguments {
  readonly data: readonly string[]
  readonly out: string
}

/** `score-sde encode`: latents of pictures. */
export async function encode(
  model: string,
  options: EncodeArguments,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context
  await checkOutputFile(options.out)
  await using pipe = await loadPipeline(model, options, context)
  const latents = await encodeFiles(pipe, options, context)
  await saveArray(options.out, "latents", latents)
  console.log(options.out)
  terminal.note(`Latents float32 [${latents.shape.join(", ")}] on ${pipe.unet.device}.`)
}

/** The latents of the pictures in `data`. */
export async function encodeFiles(
  pipe: DiffusionPipeline,
  options: Pick<EncodeArguments, "data"> & FlowArguments,
  context: CommandContext,
): Promise<Tensor<"float32">> {
  const { shape } = pipe.scoreModel()
  const images = pictureTensor(await loadPictures(options.data), shape)
  const count = images.shape[0]!
  const progress = new FlowProgress(context.terminal, "Encoding")
  const parts: Tensor<"float32">[] = []
  await interruptible(
    context,
    async () => {
      for (const batch of batchRanges(count, options, [shape[1], shape[2]])) {
        const onProgress = progress.handler(batch.first / count, batch.count / count)
        const settings = { ...flowOptions(options, batch, context), onProgress }
        parts.push((await pipe.encode(takeRows(images, batch.first, batch.count), settings)).latents)
      }
    },
    () => `Not all of ${countOf(count, "picture")} were encoded, and nothing is written.`,
  )
  return joinRows(parts)
}
