import { GraphError } from "./errors.ts"
import { constantValue } from "./operators.ts"
import { operators } from "./ops/index.ts"
import type { Graph, ValueType } from "./types.ts"
import { initializerType } from "./types.ts"

// The rules are those of opset 18 and later; before it, axes and the like stood elsewhere.
const oldestOpset = 18

/**
 * What can be known about the values of a graph: what it declares itself, and what the operators' rules add.
 * A value behind an operator without a rule, or of a size known only at run time, is left out.
 */
export function inferTypes(graph: Graph): Map<string, ValueType> {
  const types = new Map(graph.types)
  for (const [name, initializer] of graph.initializers) types.set(name, initializerType(initializer))
  if (graph.opset < oldestOpset) return types
  for (const node of graph.nodes) {
    const rule = node.domain === "" ? operators.get(node.op) : undefined
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
        constant: index => constantValue(graph.initializers.get(node.inputs[index] ?? "")),
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

/** The operators of a graph that the builder has no rule for; those of other domains as `domain:Name`. */
export function unknownOperators(graph: Graph): readonly string[] {
  const unknown = graph.nodes.filter(node => node.domain !== "" || !operators.has(node.op))
  return [...new Set(unknown.map(node => (node.domain === "" ? node.op : `${node.domain}:${node.op}`)))]
}
