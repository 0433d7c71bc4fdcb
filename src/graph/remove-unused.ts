import type { GraphProto } from "./onnx_pb.ts"
import type { Graph, Node } from "./types.ts"

/** The same graph without the nodes and tensors that none of its outputs needs. */
export function removeUnused(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(output => output.name))
  const nodes: Node[] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(output => needed.has(output))) continue
    nodes.push(node)
    for (const name of readNames(node)) if (name !== "") needed.add(name)
  }
  nodes.reverse()
  for (const input of graph.inputs) needed.add(input.name)
  return {
    ...graph,
    nodes,
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
    types: new Map([...graph.types].filter(([name]) => needed.has(name))),
  }
}

/** The names that a node reads, those that its subgraphs (If, Loop, Scan) take from outside among them. */
export function readNames(node: Node): readonly string[] {
  return [...node.inputs, ...subgraphs(node).flatMap(namesIn)]
}

/** Whether a node carries graphs of its own, as If, Loop and Scan do. */
export function hasSubgraphs(node: Node): boolean {
  return subgraphs(node).length > 0
}

function subgraphs(node: Node): readonly GraphProto[] {
  return Object.values(node.attributes).flatMap(attribute =>
    attribute.kind === "opaque" ? (attribute.value.g ?? []) : [],
  )
}

// More than the names from outside, which does no harm: those that the subgraph defines itself exist nowhere else.
function namesIn(graph: GraphProto): readonly string[] {
  const nested = graph.node.flatMap(node => [
    ...node.input,
    ...node.attribute.flatMap(attribute => (attribute.g ? namesIn(attribute.g) : [])),
  ])
  return [...nested, ...graph.output.map(output => output.name)]
}
