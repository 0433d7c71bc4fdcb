import type { Graph } from "../types.ts"

/** Every name that a graph gives to a value. */
export function definedNames(graph: Graph): Set<string> {
  return new Set([
    ...graph.inputs.map(input => input.name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(node => node.outputs),
  ])
}

/** `wanted`, with as many underscores as make it new among `taken`, to which it is added. */
export function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted
  while (taken.has(name)) name += "_"
  taken.add(name)
  return name
}
