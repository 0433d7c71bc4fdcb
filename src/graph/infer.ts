import { GraphError } from "./errors.ts"
import { operators } from "./ops/index.ts"
import type { Graph, ValueType } from "./types.ts"
import { initializerType } from "./types.ts"

/**
 * What can be known about the values of a graph: what it declares itself, and what the operators' rules add.
 * A value behind an operator without a rule, or of a size known only at run time, is left out.
 */
export function inferTypes(graph: Graph): Map<string, ValueType> {
  const types = new Map(graph.types)
  for (const [name, initializer] of graph.initializers) types.set(name, initializerType(initializer))
  for (const node of graph.nodes) {
    const rule = node.domain === "" ? operators[node.op] : undefined
    const inputs = node.inputs.map(name => types.get(name))
    if (!rule || inputs.some((type, i) => !type && node.inputs[i] !== "")) continue
    try {
      const outputs = rule.infer({
        op: node.op,
        scope: node.scope,
        opset: graph.opset,
        inputs,
        attributes: node.attributes,
        outputCount: node.outputs.length,
        constant: index => {
          const initializer = graph.initializers.get(node.inputs[index] ?? "")
          return initializer?.kind === "constant" ? initializer.tensor : undefined
        },
      })
      for (const [i, name] of node.outputs.entries()) {
        const type = outputs[i]
        if (type && name !== "" && !types.has(name)) types.set(name, type)
      }
    } catch (error) {
      if (!(error instanceof GraphError)) throw error
    }
  }
  return types
}

/** The operators of a graph that the builder has no rule for, as `domain:Name`. */
export function unknownOperators(graph: Graph): readonly string[] {
  const unknown = graph.nodes.filter(node => node.domain !== "" || !operators[node.op])
  return [...new Set(unknown.map(node => (node.domain === "" ? node.op : `${node.domain}:${node.op}`)))]
}
