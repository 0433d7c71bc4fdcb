import { InputError } from "../errors.ts"
import { encodeInline } from "../graph/encode.ts"
import { foldParameters } from "../graph/optimize/fold-parameters.ts"
import { toFloat16 } from "../graph/optimize/to-float16.ts"
import type { Graph } from "../graph/types.ts"
import { findWeights } from "../hub/component-files.ts"
import type { ModelSource } from "../runtime/session.ts"
import { type DType, elementCount } from "../tensor.ts"
import { writeSafetensors } from "../weights/safetensors-writer.ts"
import type { WeightsFile } from "../weights/weights-file.ts"
import type { Architecture, NetworkGraph, PictureSize } from "./architecture.ts"
import { byteChunks } from "./byte-chunks.ts"
import { finiteWeights, openCheckpoint, parameterShapes, type TensorFiles } from "./checkpoint.ts"
import { convertedModel } from "./converted-graph.ts"
import type { ModelOrigin } from "./network-model.ts"
import { findTensorFiles, type ModelDType } from "./network-session.ts"
import { toDType } from "./to-dtype.ts"
import { vjpGraph } from "./vjp-graph.ts"

/** The network's graph as a session runs it. */
export function inferenceGraph<Config>(
  build: NetworkGraph<Config>,
  config: Config,
  size: PictureSize,
  dtype: ModelDType,
): Graph {
  const half = dtype === "fp16"
  const graph = build(config, size, { precision: half ? "float16" : "float32" })
  return foldParameters(half ? toFloat16(graph) : graph)
}

/** Makes a model that a session can load from a checkpoint, or, unless `force` is set, finds the one made before. */
export async function convertNetwork<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
  files: TensorFiles,
  force: boolean,
): Promise<ModelSource> {
  const { dtype = "fp32", size } = origin.options
  const build = await architecture.loadGraph()
  const graph = inferenceGraph(build, config, architecture.pictureSize(config, size), dtype)
  return convertGraph(graph, dtype, origin, files, force)
}

/** The same with the network's vector–Jacobian product, in float32. */
export async function convertVjp<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
  files: TensorFiles,
  force: boolean,
): Promise<ModelSource> {
  const graph = vjpGraph(await plainGraph(architecture, config, origin))
  return convertGraph(graph, "vjp", origin, files, force)
}

/** The network as it is built, before anything is folded. */
async function plainGraph<Config>(
  architecture: Architecture<Config>,
  config: Config,
  { options }: ModelOrigin,
): Promise<Graph> {
  const build = await architecture.loadGraph()
  return build(config, architecture.pictureSize(config, options.size))
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
export function countParameters<Config>(
  build: NetworkGraph<Config>,
  config: Config,
  size: PictureSize,
): number {
  const shapes = parameterShapes(build(config, size)).values()
  return [...shapes].reduce((sum, shape) => sum + elementCount(shape), 0)
}

/** The checkpoint as a safetensors file, piece by piece; undefined where the repository has only an ONNX graph. */
export async function checkpointChunks<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
): Promise<AsyncGenerator<Uint8Array> | undefined> {
  const { signal } = origin.options
  const graph = await plainGraph(architecture, config, origin)
  const weights = await openOrigin(graph, origin)
  return weights && closing(weights, safetensorsChunks(graph, weights, origin.options.dtype, signal))
}

/**
 * The tensors of a file that a graph has as its parameters, as a safetensors file, piece by piece: in the type that the
 * model computes in, whatever the file stores, as PyTorch loads and saves them.
 */
export function safetensorsChunks(
  graph: Graph,
  weights: WeightsFile,
  modelDType: ModelDType = "fp32",
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const dtype: DType = modelDType === "fp16" ? "float16" : "float32"
  const tensors = Array.from(parameterShapes(graph), ([name, shape]) => ({
    name,
    shape,
    dtype,
    read: async (abort: AbortSignal | undefined) => {
      const data = new Float32Array(elementCount(shape))
      await weights.readFloat32Into(name, data, abort)
      return toDType({ dtype: "float32", shape, data }, dtype)
    },
  }))
  return writeSafetensors(tensors, { format: "pt" }, signal)
}

/**
 * A self-contained ONNX file of the network, piece by piece.
 *
 * @throws InputError where the repository has neither a checkpoint nor such a file.
 */
export async function onnxChunks<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
  dtype: ModelDType,
): Promise<AsyncGenerator<Uint8Array>> {
  const { repo, component, options } = origin
  const { signal } = options
  const weights = await openOrigin(await plainGraph(architecture, config, origin), origin)
  if (weights) {
    const build = await architecture.loadGraph()
    const graph = inferenceGraph(build, config, architecture.pictureSize(config, options.size), dtype)
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
  graph: Graph,
  { repo, component, options }: ModelOrigin,
): Promise<WeightsFile | undefined> {
  const files = findTensorFiles(repo, component, options)
  return files && (await openCheckpoint(repo, files, graph, options))
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
