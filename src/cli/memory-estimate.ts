import type { Graph, Node } from "../graph/types.ts"
import { weightLayout } from "../graph/weight-layout.ts"
import { bytesPerElement } from "../tensor.ts"

/** What a network needs of memory, in bytes. */
export interface MemoryNeed {
  readonly weights: number
  /** The most that the values between the operators take at one time, for one picture. */
  readonly activations: number
  /** Of the whole process on the CPU, while it makes one picture: an estimate, see {@link estimateMemory}. */
  readonly process: number
  /** What each further picture of a batch adds to that. */
  readonly perPicture: number
}

// Measured as the process's largest resident size with ONNX Runtime 1.30 on the CPU, for ncsnpp-256 (1.79 GB),
// ddpm-cifar10-32 (0.41 GB) and ncsnpp-emoji-32 in batches of 1 and 16 (0.20 and 0.30 GB): Node and ONNX Runtime
// themselves; weights, partly repacked for convolutions; activations in an arena that keeps what it took, and takes
// it anew as one block once it knows the sizes.
const baseBytes = 200e6
const weightsFactor = 1.6
const activationsFactor = 4.5

/** Estimates what running a graph takes: weights and activations exactly, the rest by proportions once measured. */
export function estimateMemory(graph: Graph): MemoryNeed {
  const weights = weightLayout(graph).totalBytes
  const activations = largestLiveBytes(graph)
  const perPicture = Math.round(activationsFactor * activations)
  const process = Math.round(baseBytes + weightsFactor * weights) + perPicture
  return { weights, activations, process, perPicture }
}

// They give their input another shape, not another place.
const views: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"])

/** The most bytes that values hold at one time when nodes run in order and values go after their last use. */
export function largestLiveBytes(graph: Graph): number {
  const places = new Map<string, string>()
  const place = (name: string): string => places.get(name) ?? name
  for (const { op, inputs, outputs } of graph.nodes) {
    if (views.has(op)) places.set(outputs[0]!, place(inputs[0]!))
  }
  const lastUse = new Map<string, Node>()
  for (const node of graph.nodes) for (const name of node.inputs) lastUse.set(place(name), node)
  for (const { name } of graph.outputs) lastUse.delete(place(name))

  const sizes = new Map<string, number>()
  let live = 0
  let most = 0
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      if (name === "" || place(name) !== name) continue
      const size = valueBytes(graph, name)
      sizes.set(name, size)
      live += size
    }
    most = Math.max(most, live)
    for (const name of new Set(node.inputs.map(place))) {
      if (lastUse.get(name) === node) live -= sizes.get(name) ?? 0
    }
  }
  return most
}

/** Of a batch of one. */
function valueBytes(graph: Graph, name: string): number {
  const type = graph.types.get(name)
  if (!type) return 0
  return type.shape.reduce<number>(
    (bytes, size) => bytes * (typeof size === "number" ? size : 1),
    bytesPerElement[type.dtype],
  )
}
