import { tensor } from "../../tensor.ts"
import { inferTypes } from "../infer.ts"
import type { Dim, Graph, Initializer, Node, ValueType } from "../types.ts"
import { initializerType } from "../types.ts"
import type { Integers } from "./integers.ts"
import { evaluate, integersOf } from "./integers.ts"
import { definedNames, freeName } from "./names.ts"

/**
 * The same computation with constants in place of shapes, axes and the like that the graph computes from the sizes of
 * its values, and with everything that can be known about the types of its values. Exporters write such arithmetic for
 * every reshape when the batch is free, and what they declare about the values behind it is sometimes wrong; so a type
 * that follows from the operators counts more here than one that is declared.
 */
export function resolveShapes(graph: Graph): Graph {
  const types = new Map<string, ValueType>(graph.inputs.map(({ name, ...type }) => [name, type]))
  const integers = new Map<string, Integers>()
  const initializers = new Map(graph.initializers)
  const names = definedNames(graph)
  for (const initializer of graph.initializers.values()) {
    types.set(initializer.name, initializerType(initializer))
    const value = initializer.kind === "constant" ? integersOf(initializer.tensor) : undefined
    if (value) integers.set(initializer.name, value)
  }

  const nodes = graph.nodes.map(node => {
    const resolved = withConstants(node, { types, integers, initializers, names })
    const inferred = sizesOfResize(node, types, integers) ?? outputTypes(graph, resolved, types, initializers)
    for (const [i, name] of node.outputs.entries()) {
      const type = inferred[i] ?? graph.types.get(name)
      if (type) types.set(name, type)
    }
    const value = evaluate(
      node,
      node.inputs.map(name => integers.get(name)),
      node.inputs.map(name => types.get(name)),
    )
    const [output] = node.outputs
    if (value && output !== undefined) {
      integers.set(output, value)
      if (!types.has(output)) types.set(output, { dtype: "int64", shape: value.shape })
    }
    return resolved
  })
  const outputs = graph.outputs.map(output => ({ ...output, ...types.get(output.name) }))
  return { ...graph, outputs, nodes, initializers, types }
}

interface Known {
  readonly types: ReadonlyMap<string, ValueType>
  readonly integers: ReadonlyMap<string, Integers>
  readonly initializers: Map<string, Initializer>
  readonly names: Set<string>
}

// The inputs of operators that say what shape comes out.
const shapeInputs: ReadonlyMap<string, readonly number[]> = new Map([
  ["Expand", [1]],
  ["Pad", [1, 3]],
  ["Reshape", [1]],
  ["Slice", [1, 2, 3, 4]],
  ["Split", [1]],
])

function withConstants(node: Node, { types, integers, initializers, names }: Known): Node {
  const indices = node.domain === "" ? (shapeInputs.get(node.op) ?? []) : []
  if (indices.every(index => initializers.has(node.inputs[index] ?? ""))) return node
  const inputs = node.inputs.map((name, index) => {
    const value = indices.includes(index) && !initializers.has(name) ? integers.get(name) : undefined
    const elements = value && constantElements(node, value.elements, types.get(node.inputs[0]!))
    if (!elements) return name
    const constant = freeName(`${node.outputs[0]}/input ${index}`, names)
    const data = tensor("int64", [elements.length], BigInt64Array.from(elements, BigInt))
    initializers.set(constant, { kind: "constant", name: constant, tensor: data })
    return constant
  })
  return { ...node, inputs }
}

// A shape as ONNX writes it where it has symbolic sizes: what Reshape copies or finds out, what Expand leaves alone.
function constantElements(
  { op, attributes }: Node,
  elements: readonly Dim[],
  x: ValueType | undefined,
): readonly number[] | undefined {
  const { allowzero } = attributes
  const zeroCopies = allowzero?.kind !== "int" || allowzero.value === 0
  const written = elements.map((size, axis) => {
    if (typeof size === "number") return size
    if (op === "Expand") return x?.shape.at(axis - elements.length) === size ? 1 : size
    if (op === "Reshape") return zeroCopies && x?.shape[axis] === size ? 0 : -1
    return size
  })
  const known = written.filter(size => typeof size === "number")
  const open = known.filter(size => size === -1).length
  return known.length === written.length && (op !== "Reshape" || open <= 1) ? known : undefined
}

// A Resize may be given the new sizes instead of scales.
function sizesOfResize(
  { op, domain, inputs, attributes }: Node,
  types: ReadonlyMap<string, ValueType>,
  integers: ReadonlyMap<string, Integers>,
): readonly ValueType[] | undefined {
  const sizes = integers.get(inputs[3] ?? "")
  const x = types.get(inputs[0] ?? "")
  const free = attributes.axes || attributes.keep_aspect_ratio_policy
  if (op !== "Resize" || domain !== "" || free || sizes?.elements.length !== x?.shape.length) return undefined
  return sizes && x && [{ dtype: x.dtype, shape: sizes.elements }]
}

function outputTypes(
  graph: Graph,
  node: Node,
  types: ReadonlyMap<string, ValueType>,
  initializers: ReadonlyMap<string, Initializer>,
): readonly (ValueType | undefined)[] {
  const pick = <T>(from: ReadonlyMap<string, T>): Map<string, T> =>
    new Map(
      node.inputs.flatMap(name => {
        const found = from.get(name)
        return found === undefined ? [] : [[name, found] as const]
      }),
    )
  const inferred = inferTypes({
    ...graph,
    nodes: [node],
    types: pick(types),
    initializers: pick(initializers),
  })
  return node.outputs.map(name => inferred.get(name))
}
