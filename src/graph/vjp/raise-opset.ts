import { tensor } from "../../tensor.ts"
import { GraphError } from "../errors.ts"
import { hasSubgraphs } from "../remove-unused.ts"
import type { Attributes, Graph, Node } from "../types.ts"
import { definedNames, freeName } from "./names.ts"

const target = 18

/** The first operator set whose Softmax, Squeeze, Unsqueeze and ReduceSum mean what they mean in 18. */
export const oldestOpset = 13

/**
 * The same computation in opset 18, which gradients are written in, where the graph is of opset 13 to 17.
 *
 * @throws GraphError `GRAPH_STRUCTURE` for what can't be rewritten.
 */
export function raiseOpset(graph: Graph): Graph {
  if (graph.opset >= target) return graph
  const obstacle = graph.nodes.find(node => hasSubgraphs(node) || isRedefined(node))
  if (obstacle) {
    throw new GraphError(
      "GRAPH_STRUCTURE",
      `A graph of opset ${graph.opset} with ${obstacle.op} can't be brought to opset ${target}, which gradients need.`,
      { hint: `Export the model with opset ${target} or later.` },
    )
  }
  const names = definedNames(graph)
  const initializers = new Map(graph.initializers)
  const addAxes = (output: string, axes: readonly number[]): string => {
    const name = freeName(`${output}/axes`, names)
    const value = tensor("int64", [axes.length], BigInt64Array.from(axes, BigInt))
    initializers.set(name, { kind: "constant", name, tensor: value })
    return name
  }
  const nodes = graph.nodes.map(node => {
    if (node.domain !== "") return node
    if (node.op.startsWith("Reduce")) return withAxesAsInput(node, addAxes)
    if (node.op === "Split") return withNumberOfOutputs(node)
    return node
  })
  return { ...graph, opset: target, nodes, initializers }
}

// Opset 16 changed what RoiAlign means where an attribute is absent.
function isRedefined(node: Node): boolean {
  return node.domain === "" && node.op === "RoiAlign"
}

function withAxesAsInput(node: Node, addAxes: (output: string, axes: readonly number[]) => string): Node {
  const { axes, ...attributes } = node.attributes
  if (axes?.kind !== "ints") return node
  return { ...node, inputs: [node.inputs[0]!, addAxes(node.outputs[0]!, axes.value)], attributes }
}

function withNumberOfOutputs(node: Node): Node {
  if (node.inputs.length > 1) return node
  const attributes: Attributes = {
    ...node.attributes,
    num_outputs: { kind: "int", value: node.outputs.length },
  }
  return { ...node, attributes }
}
