import { elementCount } from "../../tensor.ts"
import { removeUnused } from "../remove-unused.ts"
import type { Graph, Initializer, Node, ParameterSource } from "../types.ts"

type Weight = Exclude<Initializer, { kind: "constant" }>
type Fold = (node: Node, weight: Weight, graph: Graph) => ((values: Float32Array) => Float32Array) | undefined

/**
 * Carries out what a graph does to its weights alone (a number times a weight, another shape), so that it happens once,
 * when the weights are bound, and not in every session. Such results become `derived` initializers.
 */
export function foldParameters(graph: Graph): Graph {
  const initializers = new Map(graph.initializers)
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    const weight = node.inputs
      .map(name => initializers.get(name))
      .find(value => value && value.kind !== "constant")
    const compute = weight && folds[node.op]?.(node, weight as Weight, graph)
    const output = node.outputs[0]!
    const type = graph.types.get(output)
    if (!weight || !compute || !type || graph.outputs.some(({ name }) => name === output)) {
      nodes.push(node)
      continue
    }
    initializers.set(output, {
      kind: "derived",
      name: output,
      dtype: type.dtype,
      shape: type.shape as readonly number[],
      ...composed(weight as Weight, compute),
    })
  }
  return removeUnused({ ...graph, nodes, initializers })
}

const folds: Readonly<Record<string, Fold>> = {
  Mul: (node, weight, graph) => {
    const other = graph.initializers.get(node.inputs.find(name => name !== weight.name) ?? "")
    if (other?.kind !== "constant" || elementCount(other.tensor.shape) !== 1) return undefined
    const factor = Number(other.tensor.data[0])
    return values => values.map(value => value * factor)
  },
  Reshape: node => (node.inputs[1] === undefined ? undefined : values => values),
}

function composed(
  weight: Weight,
  compute: (values: Float32Array) => Float32Array,
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
