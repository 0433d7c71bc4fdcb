import { warnOnce } from "../config/warnings.ts"
import { ScoreSdeError } from "../errors.ts"
import { encodeWithExternalData } from "../graph/encode.ts"
import type { Graph } from "../graph/types.ts"
import { fillWeights, weightFileChunks, weightLayout } from "../graph/weight-layout.ts"
import type { DerivedFile, Repo } from "../hub/repo.ts"
import { FileError } from "../platform/file-error.ts"
import type { ModelSource } from "../runtime/session.ts"
import type { WeightsFile } from "../weights/weights-file.ts"
import type { CheckpointOptions } from "./checkpoint.ts"
import { finiteWeights } from "./checkpoint.ts"
import { storedModel } from "./stored-model.ts"

// Part of the names of cached graphs: raise it whenever the same checkpoint would give another graph.
const converterVersion = 5

export interface ConversionOptions extends CheckpointOptions {
  /** Distinguishes graphs of one checkpoint: architecture, size, element type. */
  readonly name: string
  /** Convert again although a converted graph is cached. */
  readonly force?: boolean
}

/**
 * A checkpoint as a model that a session can load. For a Hub repository the graph and its weights are kept beside the
 * snapshot and found there the next time; a folder's stay in memory unless they are large, and so does what can't be
 * written.
 */
export async function convertedModel(
  repo: Repo,
  graph: Graph,
  openWeights: () => Promise<WeightsFile>,
  options: ConversionOptions,
): Promise<ModelSource> {
  const layout = weightLayout(graph)
  if (repo.kind === "hub" || layout.totalBytes > largeModel) {
    try {
      return await cachedConversion(repo, graph, openWeights, options)
    } catch (error) {
      // A full or read-only disk must not stop a model that fits into memory; anything else would fail again.
      if (!isWriteFailure(error)) throw error
      const { onWarning = warnOnce } = options
      onWarning(`The converted model can't be kept on disk (${error.message}); it stays in memory.`)
    }
  }
  const weights = await openWeights()
  try {
    const data = await fillWeights(layout, finiteWeights(weights, options.signal), options.signal)
    const bytes = encodeWithExternalData(graph, dataName, layout)
    return { bytes, externalData: [{ path: dataName, data }] }
  } finally {
    await weights.close()
  }
}

const dataName = "weights"

// Bytes from which on a folder's conversion is kept on disk too: ONNX Runtime maps a file, but copies what is in memory.
const largeModel = 64 * 2 ** 20

async function cachedConversion(
  repo: Repo,
  graph: Graph,
  openWeights: () => Promise<WeightsFile>,
  { name, force = false, signal }: ConversionOptions,
): Promise<ModelSource> {
  const model = repo.derivedFile(`${name}-v${converterVersion}.onnx`)
  const data = repo.derivedFile(`${name}-v${converterVersion}.onnx_data`)
  const kept = force ? undefined : await keptModel(model, data)
  if (kept) return kept
  const weights = await openWeights()
  try {
    const layout = weightLayout(graph)
    await data.write(weightFileChunks(layout, finiteWeights(weights, signal), signal))
    // Written last: a graph is never there without its weights.
    await model.write(encodeWithExternalData(graph, data.name, layout))
  } finally {
    await weights.close()
  }
  const written = await keptModel(model, data)
  if (written) return written
  throw new FileError(
    "FILE_NOT_FOUND",
    `The converted model ${model.name} has gone as soon as it was written.`,
  )
}

/** The graph and its weights, if both are there. */
async function keptModel(model: DerivedFile, data: DerivedFile): Promise<ModelSource | undefined> {
  const [path, dataPath] = [await model.localPath(), await data.localPath()]
  if (path !== undefined && dataPath !== undefined) return { path }
  const [graph, weights] = [await model.open(), await data.open()]
  return graph && weights && (await storedModel(graph, data.name, weights))
}

const writeFailures: ReadonlySet<unknown> = new Set([
  "NO_SPACE",
  "FILE_ACCESS_DENIED",
  "FILE_FAILED",
  "CACHE_FAILED",
])

function isWriteFailure(error: unknown): error is ScoreSdeError {
  return error instanceof ScoreSdeError && writeFailures.has(error.code)
}
