import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { Interrupt } from "./interrupt.ts"
import { loadingOptions, type ModelCommandOptions } from "./model-options.ts"

/** `score-sde export`: writes a pipeline's folder with an ONNX graph of the network. */
export async function exportModel(
  model: string,
  directory: string,
  options: ModelCommandOptions,
): Promise<void> {
  using interrupt = new Interrupt()
  const { signal } = interrupt
  const { dtype } = options
  // The float32 graph is always there, since it is what other tools look for.
  const onnx = dtype === "fp16" ? (["fp32", "fp16"] as const) : (["fp32"] as const)
  await using pipe = await DiffusionPipeline.fromPretrained(model, {
    ...loadingOptions({ ...options, dtype: "fp32" }, signal),
  })
  await pipe.savePretrained(directory, {
    onnx,
    signal,
    onFile: path => console.error(`Writing ${path}`),
  })
  console.log(directory)
}
