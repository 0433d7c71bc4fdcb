import { foldParameters } from "../graph/optimize/fold-parameters.ts"
import type { Graph } from "../graph/types.ts"
import { vjp } from "../graph/vjp/vjp.ts"
import { networkNames } from "./network-names.ts"

/**
 * A network's graph with its vector–Jacobian product: beside the network's inputs it takes a cotangent of the output,
 * and it gives two outputs, the network's and vᵀ·∂output/∂sample. For graphs as they are built or read, before their
 * weights are folded.
 *
 * @throws GraphError for an operator or a form of one that has no gradient.
 */
export function vjpGraph(graph: Graph): Graph {
  const output = graph.outputs[0]!
  return foldParameters(vjp({ ...graph, outputs: [output] }, [output.name], [networkNames.sample]))
}
