import { InputError } from "../../errors.ts"
import { encodeInline } from "../../graph/encode.ts"
import { foldParameters } from "../../graph/optimize/fold-parameters.ts"
import { toFloat16 } from "../../graph/optimize/to-float16.ts"
import type { Graph } from "../../graph/types.ts"
import { findWeights } from "../../hub/component-files.ts"
import type { ModelSource } from "../../runtime/session.ts"
import { elementCount } from "../../tensor.ts"
import { writeSafetensors } from "../../weights/safetensors-writer.ts"
import type { WeightsFile } from "../../weights/weights-file.ts"
import { byteChunks } from "../byte-chunks.ts"
import { finiteWeights, openCheckpoint, parameterShapes, type TensorFiles } from "../checkpoint.ts"
import { convertedModel } from "../converted-graph.ts"
import { vjpGraph } from "../vjp-graph.ts"
import type { UNet2DConfig } from "./config.ts"
import { findTensorFiles, type ModelDType, pictureSize } from "./load.ts"
import type { ModelOrigin } from "./model.ts"
import { unet2dGraph } from "./network.ts"

/** The network's graph as a session runs it. */
export function inferenceGraph(
  config: UNet2DConfig,
  size: readonly [number, number],
  dtype: ModelDType,
): Graph {
  const half = dtype === "fp16"
  const graph = unet2dGraph(config, size, { precision: half ? "float16" : "float32" })
  return foldParameters(half ? toFloat16(graph) : graph)
}

/** Makes a model that a session can load from a checkpoint, or, unless `force` is set, finds the one made before. */
export function convertUNet2D(
  config: UNet2DConfig,
  origin: ModelOrigin,
  files: TensorFiles,
  force: boolean,
): Promise<ModelSource> {
  const { dtype = "fp32", size } = origin.options
  return convertGraph(inferenceGraph(config, pictureSize(config, size), dtype), dtype, origin, files, force)
}

/** The same with the network's vector–Jacobian product, in float32. */
export function convertUNet2DVjp(
  config: UNet2DConfig,
  origin: ModelOrigin,
  files: TensorFiles,
  force: boolean,
): Promise<ModelSource> {
  const graph = vjpGraph(unet2dGraph(config, pictureSize(config, origin.options.size)))
  return convertGraph(graph, "vjp", origin, files, force)
}

function convertGraph(
  graph: Graph,
  kind: ModelDType | "vjp",
  { repo, component, options }: ModelOrigin,
  files: TensorFiles,
  force: boolean,
): Promise<ModelSource> {
  const variant = options.variant === undefined ? "" : `.${options.variant}`
  const size = graph.inputs[0]!.shape.slice(-2)
  return convertedModel(repo, graph, () => openCheckpoint(repo, files, graph, options), {
    ...options,
    name: `${component || "unet"}${variant}-${size.join("x")}-${kind}`,
    force,
  })
}

/** Number of trained numbers of a network. */
export function countParameters(config: UNet2DConfig, size: readonly [number, number]): number {
  const shapes = parameterShapes(unet2dGraph(config, size)).values()
  return [...shapes].reduce((sum, shape) => sum + elementCount(shape), 0)
}

/** The checkpoint as a safetensors file, piece by piece; undefined where the repository has only an ONNX graph. */
export async function checkpointChunks(
  config: UNet2DConfig,
  origin: ModelOrigin,
): Promise<AsyncGenerator<Uint8Array> | undefined> {
  const { signal } = origin.options
  const weights = await openOrigin(config, origin)
  if (!weights) return undefined
  const names = parameterShapes(unet2dGraph(config, pictureSize(config, origin.options.size))).keys()
  const tensors = [...names].map(name => ({
    ...weights.tensors.get(name)!,
    read: (abort: AbortSignal | undefined) => weights.read(name, abort),
  }))
  return closing(weights, writeSafetensors(tensors, { format: "pt" }, signal))
}

/**
 * A self-contained ONNX file of the network, piece by piece.
 *
 * @throws InputError where the repository has neither a checkpoint nor such a file.
 */
export async function onnxChunks(
  config: UNet2DConfig,
  origin: ModelOrigin,
  dtype: ModelDType,
): Promise<AsyncGenerator<Uint8Array>> {
  const { repo, component, options } = origin
  const { signal } = options
  const weights = await openOrigin(config, origin)
  if (weights) {
    const graph = inferenceGraph(config, pictureSize(config, options.size), dtype)
    return closing(weights, encodeInline(graph, finiteWeights(weights, signal), signal))
  }
  const files = findWeights(repo, component, { ...options, dtype })
  if (files.format === "onnx" && files.externalData.length === 0) {
    const source = await repo.open(files.path)
    return closing(source, byteChunks(source, signal))
  }
  throw new InputError(
    "INVALID_ARGUMENT",
    `${repo.id} holds no PyTorch weights to make a ${dtype} graph from.`,
    {
      hint: "Load the model from a repository with safetensors or .bin weights.",
    },
  )
}

async function openOrigin(
  config: UNet2DConfig,
  { repo, component, options }: ModelOrigin,
): Promise<WeightsFile | undefined> {
  const files = findTensorFiles(repo, component, options)
  if (!files) return undefined
  const graph = unet2dGraph(config, pictureSize(config, options.size))
  return await openCheckpoint(repo, files, graph, options)
}

/** The pieces, and the end of the file that they come from when they have been read or are no longer wanted. */
async function* closing(
  file: { close(): Promise<void> },
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
  } finally {
    await file.close()
  }
}
