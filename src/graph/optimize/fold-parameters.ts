import { elementCount } from "../../tensor.ts"
import { removeUnused } from "../remove-unused.ts"
import type { Graph, Initializer, Node, ParameterSource } from "../types.ts"

type Weight = Exclude<Initializer, { kind: "constant" }>
type Compute = (values: Float32Array) => Float32Array
type Fold = (node: Node, weight: Weight, graph: Graph) => Compute | undefined

/**
 * Carries out what a graph does to its weights alone (a number times a weight, another shape), so that it happens once,
 * when the weights are bound, and not in every session. Such results become `derived` initializers.
 */
export function foldParameters(graph: Graph): Graph {
  const initializers = new Map(graph.initializers)
  const outputs = new Set(graph.outputs.map(output => output.name))
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    const weight = node.inputs.map(name => initializers.get(name)).find(isWeight)
    const compute = weight && node.domain === "" && folds.get(node.op)?.(node, weight, graph)
    const [name] = node.outputs
    const type = graph.types.get(name!)
    if (!compute || !type || outputs.has(name!)) {
      nodes.push(node)
      continue
    }
    const { dtype } = type
    const shape = type.shape as readonly number[]
    initializers.set(name!, { kind: "derived", name: name!, dtype, shape, ...composed(weight, compute) })
  }
  return removeUnused({ ...graph, nodes, initializers })
}

const folds: ReadonlyMap<string, Fold> = new Map<string, Fold>([
  [
    "Mul",
    (node, weight, graph) => {
      const other = graph.initializers.get(node.inputs.find(name => name !== weight.name) ?? "")
      if (other?.kind !== "constant" || other.tensor.dtype !== "float32") return undefined
      if (elementCount(other.tensor.shape) !== 1) return undefined
      const factor = Number(other.tensor.data[0])
      return values => values.map(value => value * factor)
    },
  ],
  ["Slice", sliceFold],
  ["Reshape", (node, weight) => (node.inputs[0] === weight.name ? values => values : undefined)],
])

// A range along one axis, with the weight's other dimensions whole.
function sliceFold(node: Node, weight: Weight, graph: Graph): Compute | undefined {
  if (node.inputs[0] !== weight.name) return undefined
  const [start, end, axis, step] = node.inputs.slice(1).map(name => {
    const initializer = graph.initializers.get(name)
    const numbers = initializer?.kind === "constant" ? Array.from(initializer.tensor.data, Number) : []
    return numbers.length === 1 ? numbers[0]! : Number.NaN
  })
  const size = weight.shape[axis!]
  if (size === undefined || step !== 1 || !(start! >= 0 && start! < end! && end! <= size)) return undefined
  const inner = elementCount(weight.shape.slice(axis! + 1))
  const [from, length, stride] = [start! * inner, (end! - start!) * inner, size * inner]
  return values => {
    const kept = new Float32Array((values.length / stride) * length)
    for (let row = 0; row * stride < values.length; row++) {
      const first = row * stride + from
      kept.set(values.subarray(first, first + length), row * length)
    }
    return kept
  }
}

function isWeight(initializer: Initializer | undefined): initializer is Weight {
  return initializer !== undefined && initializer.kind !== "constant"
}

function composed(
  weight: Weight,
  compute: Compute,
): {
  readonly sources: readonly ParameterSource[]
  readonly compute: (sources: readonly Float32Array[]) => Float32Array
} {
  if (weight.kind === "derived") {
    return { sources: weight.sources, compute: sources => compute(weight.compute(sources)) }
  }
  const { name, dtype, shape } = weight
  return { sources: [{ name, dtype, shape }], compute: ([values]) => compute(values!) }
}
