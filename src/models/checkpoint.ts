import type { WarningHandler } from "../config/warnings.ts"
import { warnOnce } from "../config/warnings.ts"
import type { Graph } from "../graph/types.ts"
import type { WeightSource } from "../graph/weight-layout.ts"
import type { ComponentWeights } from "../hub/component-files.ts"
import { filesOf } from "../hub/component-files.ts"
import type { Repo } from "../hub/repo.ts"
import { requireFinite } from "../weights/finite.ts"
import { matchTensors, requireMatch } from "../weights/match-tensors.ts"
import { migrateKeys } from "../weights/migrate-keys.ts"
import { openWeights } from "../weights/open-weights.ts"
import type { WeightsFile } from "../weights/weights-file.ts"

export interface CheckpointOptions {
  readonly signal?: AbortSignal
  readonly onWarning?: WarningHandler
}

/** A checkpoint's files, as the choice of a component's files names them. */
export type TensorFiles = Exclude<ComponentWeights, { format: "onnx" }>

/**
 * Opens a checkpoint that fits a graph: every parameter is there in its shape, under today's names.
 * Tensors that the graph doesn't know are reported once and otherwise left alone, as in Diffusers.
 *
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, and what reading the formats throws; HubError.
 */
export async function openCheckpoint(
  repo: Repo,
  files: TensorFiles,
  graph: Graph,
  options: CheckpointOptions = {},
): Promise<WeightsFile> {
  const { signal, onWarning = warnOnce } = options
  await repo.download(filesOf(files))
  const folder = files.path.slice(0, files.path.lastIndexOf("/") + 1)
  const opened = await openWeights(await repo.open(files.path), {
    openShard: name => repo.open(folder + name),
    signal,
  })
  try {
    const weights = migrateKeys(opened)
    const match = matchTensors(parameterShapes(graph), weights)
    requireMatch(`${repo.id}/${files.path}`, match)
    if (match.unexpected.length > 0) {
      onWarning(
        `${repo.id}/${files.path} holds tensors that the model doesn't use: ${match.unexpected.join(", ")}.`,
      )
    }
    return weights
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** The shapes of a graph's parameters by name, in the order of their declaration. */
export function parameterShapes(graph: Graph): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  for (const initializer of graph.initializers.values()) {
    if (initializer.kind === "parameter") shapes.set(initializer.name, initializer.shape)
    if (initializer.kind === "derived")
      for (const { name, shape } of initializer.sources) shapes.set(name, shape)
  }
  return shapes
}

/** The weights of a file, refusing NaN and infinities as they are read. */
export function finiteWeights(file: WeightsFile, signal?: AbortSignal): WeightSource {
  return {
    async readFloat32Into(name, target) {
      await file.readFloat32Into(name, target, signal)
      requireFinite(name, target)
    },
  }
}
