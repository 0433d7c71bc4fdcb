import { joinPath, makeDirectory, writeFileAtomic } from "#platform/files"
import { formatModelIndex } from "../config/model-index.ts"
import { throwIfAborted } from "../errors.ts"
import type { ModelDType } from "../models/unet2d/load.ts"
import { SCHEDULER_FILE } from "../schedulers/scheduler.ts"
import type { DiffusionPipeline, PipelineClass } from "./diffusion-pipeline.ts"

export interface SaveOptions {
  /** Element types of the ONNX graphs to write beside the weights; an empty list for none. Default: the model's own. */
  readonly onnx?: readonly ModelDType[]
  readonly signal?: AbortSignal
  /** Called before each file is written, with its path in the folder. */
  readonly onFile?: (path: string) => void
}

/** Writes a pipeline's folder. The index comes last, so that a folder with an index is whole. */
export async function savePipeline(
  pipe: DiffusionPipeline,
  directory: string,
  diffusersVersion: string,
  options: SaveOptions = {},
): Promise<void> {
  const { unet, scheduler, scalars } = pipe
  const { onnx = [unet.dtype], signal, onFile } = options
  const write = async (path: string, content: string | AsyncIterable<Uint8Array>): Promise<void> => {
    throwIfAborted(signal)
    onFile?.(path)
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    await writeFileAtomic(joinPath(directory, ...path.split("/")), bytes)
  }
  await makeDirectory(joinPath(directory, "unet"))
  await makeDirectory(joinPath(directory, "scheduler"))
  await write(`scheduler/${SCHEDULER_FILE}`, scheduler.toJsonString())
  await write("unet/config.json", unet.configText())
  const weights = await unet.safetensors(signal)
  if (weights) await write("unet/diffusion_pytorch_model.safetensors", weights)
  for (const dtype of onnx) {
    const name = dtype === "fp16" ? "model_fp16.onnx" : "model.onnx"
    await write(`unet/${name}`, await unet.onnx(dtype, signal))
  }
  const reference = (component: object): { library: string; className: string } => ({
    library: "diffusers",
    className: (component.constructor as unknown as PipelineClass).className,
  })
  const index = formatModelIndex({
    className: (pipe.constructor as unknown as PipelineClass).className,
    diffusersVersion,
    components: new Map([
      ["scheduler", reference(scheduler)],
      ["unet", reference(unet)],
    ]),
    scalars,
    ignoreFiles: [],
    metadata: {},
  })
  await write("model_index.json", index)
}
