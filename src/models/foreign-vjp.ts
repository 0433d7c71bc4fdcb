import { throwIfAborted } from "../errors.ts"
import { decodeGraph } from "../graph/decode.ts"
import { encodeWithExternalData } from "../graph/encode.ts"
import { GraphError } from "../graph/errors.ts"
import { foldParameters } from "../graph/optimize/fold-parameters.ts"
import type { Dim, Graph, Initializer } from "../graph/types.ts"
import { fillWeights, weightLayout } from "../graph/weight-layout.ts"
import type { Repo } from "../hub/repo.ts"
import { externalDataFiles } from "../runtime/external-data.ts"
import type { ModelSource } from "../runtime/session.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { float16ToFloat32 } from "../weights/half.ts"
import { networkNames } from "./network-names.ts"
import { vjpGraph } from "./vjp-graph.ts"

// A graph is differentiated in memory, with its weights.
const maxBytes = 2 ** 30

/**
 * A network's vector–Jacobian product from an ONNX file of a repository, read back and differentiated.
 *
 * @param sample - What shape the network's sample has in truth; files may leave its height and width open.
 * @throws GraphError `GRAPH_TOO_LARGE` beyond 1 GiB, `GRAPH_INVALID_FILE`, and what can't be differentiated; HubError.
 */
export async function foreignVjpModel(
  repo: Repo,
  path: string,
  sample: readonly Dim[],
  signal: AbortSignal | undefined,
): Promise<ModelSource> {
  const graph = await readGraph(repo, path, signal)
  throwIfAborted(signal)
  const inputs = graph.inputs.map(input =>
    input.name === networkNames.sample ? { ...input, shape: sample } : input,
  )
  const gradient = foldParameters(constantsAsWeights(vjpGraph({ ...graph, inputs })))
  const layout = weightLayout(gradient)
  const bytes = encodeWithExternalData(gradient, dataName, layout)
  if (layout.totalBytes === 0) return { bytes }
  const data = await fillWeights(layout, noOtherWeights, signal)
  return { bytes, externalData: [{ path: dataName, data }] }
}

const dataName = "weights"

async function readGraph(repo: Repo, path: string, signal: AbortSignal | undefined): Promise<Graph> {
  let left = maxBytes
  const read = async (file: string): Promise<Uint8Array> => {
    const source = await repo.open(file)
    try {
      left -= source.size
      if (left < 0) throw tooLarge(`${repo.id}/${path}`)
      return await source.read(0, source.size, signal)
    } finally {
      await source.close()
    }
  }
  const bytes = await read(path)
  const folder = path.slice(0, path.lastIndexOf("/") + 1)
  const external = new Map<string, Uint8Array>()
  for (const name of namedFiles(bytes, path)) external.set(name, await read(folder + name))
  return decodeGraph(bytes, external)
}

/** The files that hold the weights; each has to lie beside the graph. */
function namedFiles(bytes: Uint8Array, path: string): string[] {
  let names: string[]
  try {
    names = externalDataFiles(bytes)
  } catch (cause) {
    throw new GraphError("GRAPH_INVALID_FILE", `${path} is no ONNX model.`, { cause })
  }
  const elsewhere = names.find(name => /[/\\]/.test(name) || name === "" || name.startsWith("."))
  if (elsewhere === undefined) return names
  throw new GraphError("GRAPH_INVALID_FILE", `${path} names the file "${elsewhere}" for its weights.`, {
    hint: "They must lie beside the graph.",
  })
}

function tooLarge(file: string): GraphError {
  return new GraphError("GRAPH_TOO_LARGE", `${file} has more than ${maxBytes} bytes with its weights.`, {
    hint: "Load a repository with safetensors or .bin weights, from which a gradient of any size can be made.",
  })
}

/** The same graph, whose large constants count as weights: they can be folded and kept out of the file. */
function constantsAsWeights(graph: Graph): Graph {
  const initializers = new Map(
    [...graph.initializers].map(([name, initializer]) => [name, asWeight(initializer)] as const),
  )
  return { ...graph, initializers }
}

// Smaller ones are often parameters of operators, which have to stay constants.
const leastWeight = 256

function asWeight(initializer: Initializer): Initializer {
  if (initializer.kind !== "constant") return initializer
  const { name, tensor } = initializer
  const { dtype, shape } = tensor
  const isFloat = dtype === "float32" || dtype === "float16"
  if (!isFloat || elementCount(shape) < leastWeight) return initializer
  return { kind: "derived", name, dtype, shape, sources: [], compute: () => float32Elements(tensor) }
}

function float32Elements({ dtype, data }: Tensor): Float32Array {
  if (dtype === "float32") return data as Float32Array
  const elements = new Float32Array(data.length)
  float16ToFloat32(data as Uint16Array, elements)
  return elements
}

const noOtherWeights = {
  readFloat32Into: (name: string): never => {
    throw new GraphError("GRAPH_STRUCTURE", `"${name}" has no value.`)
  },
}
