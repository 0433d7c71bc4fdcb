import type { DType, Tensor } from "../../tensor.ts"
import { float32ToFloat16 } from "../../weights/half.ts"
import { GraphError } from "../errors.ts"
import { dtypeCode } from "../onnx-types.ts"
import { operators } from "../ops/index.ts"
import { hasSubgraphs, removeUnused } from "../remove-unused.ts"
import type { Graph, Initializer, Node, ValueType } from "../types.ts"
import { initializerType } from "../types.ts"
import { foldParameters } from "./fold-parameters.ts"

/**
 * The same network computing in float16, with float32 inputs and outputs; its weights are folded first, in float32.
 *
 * These nodes stay in float32:
 * - what depends on the label of the noise level (a float32 vector [batch]) up to the first dense layer: the sines of
 *   large angles and the division by σ need the precision;
 * - operators that the builder has no rule for, and those that read values of unknown type;
 * - operators with a constant beyond float16's range.
 *
 * @throws GraphError `GRAPH_STRUCTURE` for a graph that was not built with `precision: "float16"` and takes sums of
 *   squares, `GRAPH_UNKNOWN_OPERATOR` for one with subgraphs.
 */
export function toFloat16(graph: Graph): Graph {
  const folded = foldParameters(graph)
  for (const node of folded.nodes) checkConvertible(node)
  return new HalfPrecision(folded).convert()
}

function checkConvertible(node: Node): void {
  if (hasSubgraphs(node)) {
    throw new GraphError(
      "GRAPH_UNKNOWN_OPERATOR",
      `${node.op} in ${node.scope} has graphs of its own, which can't be brought to float16.`,
    )
  }
  if (node.op === "ReduceSumSquare") {
    throw new GraphError("GRAPH_STRUCTURE", `${node.op} in ${node.scope} overflows in float16.`, {
      hint: 'Build the graph with `precision: "float16"`.',
    })
  }
}

// Inputs that ONNX wants in float32 whatever the element type of the rest.
const float32Inputs: ReadonlyMap<string, readonly number[]> = new Map([["Resize", [1, 2]]])

// Where the embedding of a label begins.
const denseLayers: ReadonlySet<string> = new Set(["Gemm", "MatMul", "Conv"])

const largestHalf = 65504

/** A value under its name in the new graph. */
interface Converted {
  readonly name: string
  readonly type: ValueType | undefined
}

class HalfPrecision {
  readonly #graph: Graph
  readonly #float32: ReadonlySet<Node>
  readonly #outputs: ReadonlySet<string>
  /** What is read in float32, the weights among it. */
  readonly #readAsFloat32: ReadonlySet<string>
  readonly #nodes: Node[] = []
  readonly #initializers = new Map<string, Initializer>()
  readonly #types = new Map<string, ValueType>()
  readonly #names: Set<string>
  /** What became of every value of the old graph. */
  readonly #values = new Map<string, Converted>()
  readonly #casts = new Map<string, string>()

  constructor(graph: Graph) {
    this.#graph = graph
    this.#names = new Set([...graph.types.keys(), ...graph.initializers.keys()])
    this.#float32 = float32Nodes(graph)
    this.#outputs = new Set(graph.outputs.map(output => output.name))
    this.#readAsFloat32 = new Set([...this.#outputs, ...[...this.#float32].flatMap(node => node.inputs)])
  }

  convert(): Graph {
    for (const { name, dtype, shape } of this.#graph.inputs) this.#define(name, name, { dtype, shape })
    for (const node of this.#graph.nodes) {
      const dtype = this.#float32.has(node) ? "float32" : "float16"
      const wanted = float32Inputs.get(node.op)
      const inputs = node.inputs.map((name, i) => this.#read(name, wanted?.includes(i) ? "float32" : dtype))
      const names = node.outputs.map(name => this.#output(name, dtype))
      const attributes = node.op === "Cast" ? castTo(node, dtype) : node.attributes
      this.#nodes.push({ ...node, attributes, inputs, outputs: names })
    }
    for (const name of this.#outputs) {
      const moved = this.#values.get(name)
      if (moved && moved.name !== name) this.#cast(moved.name, "float32", name)
      else this.#read(name, "float32")
    }
    return removeUnused({
      ...this.#graph,
      nodes: this.#nodes,
      initializers: this.#initializers,
      types: this.#types,
    })
  }

  // An output of the graph that a node would give in float16 leaves its name to the conversion at the end.
  #output(old: string, dtype: "float32" | "float16"): string {
    const type = this.#graph.types.get(old)
    if (type?.dtype !== "float32") return this.#define(old, old, type)
    const moved = dtype === "float16" && this.#outputs.has(old)
    return this.#define(old, moved ? this.#free(`${old}/float16`) : old, { ...type, dtype })
  }

  #define(old: string, name: string, type: ValueType | undefined): string {
    this.#values.set(old, { name, type })
    if (type) this.#types.set(name, type)
    return name
  }

  // The name under which a value can be read as `dtype`. Only what was float32 is converted.
  #read(old: string, dtype: "float32" | "float16"): string {
    const initializer = this.#graph.initializers.get(old)
    if (initializer && !this.#values.has(old)) this.#addInitializer(initializer)
    const value = this.#values.get(old)
    const wasFloat32 = this.#graph.types.get(old)?.dtype === "float32"
    if (!value || !wasFloat32 || value.type?.dtype === dtype) return value?.name ?? old
    const key = `${old}→${dtype}`
    const known = this.#casts.get(key)
    if (known !== undefined) return known
    const name = this.#free(`${value.name}/${dtype}`)
    if (initializer?.kind === "constant") this.#addConstant(name, halved(initializer.tensor))
    else this.#cast(value.name, dtype, name)
    this.#casts.set(key, name)
    return name
  }

  // A weight changes its type where all that read it want that; a constant is kept in every type that is read.
  #addInitializer(initializer: Initializer): void {
    const { name } = initializer
    const type = initializerType(initializer)
    const half = initializer.kind !== "constant" && type.dtype === "float32" && !this.#readAsFloat32.has(name)
    const dtype = half ? "float16" : type.dtype
    this.#define(name, name, { ...type, dtype })
    this.#initializers.set(name, initializer.kind === "constant" ? initializer : { ...initializer, dtype })
  }

  #addConstant(name: string, tensor: Tensor): void {
    this.#initializers.set(name, { kind: "constant", name, tensor })
    this.#types.set(name, { dtype: tensor.dtype, shape: tensor.shape })
  }

  #cast(from: string, dtype: DType, to: string): void {
    const attributes = { to: { kind: "int", value: dtypeCode(dtype) } } as const
    this.#nodes.push({ op: "Cast", domain: "", scope: "", inputs: [from], outputs: [to], attributes })
    const type = this.#types.get(from)
    if (type) this.#types.set(to, { ...type, dtype })
  }

  #free(name: string): string {
    let free = name
    while (this.#names.has(free)) free += "_"
    this.#names.add(free)
    return free
  }
}

function float32Nodes(graph: Graph): ReadonlySet<Node> {
  const isLabel = ({ dtype, shape }: ValueType): boolean => dtype === "float32" && shape.length === 1
  const labels = new Set(graph.inputs.filter(isLabel).map(input => input.name))
  const convertible = (name: string): boolean =>
    name === "" || (graph.types.has(name) && fitsHalf(graph.initializers.get(name)))
  const nodes = new Set<Node>()
  for (const node of graph.nodes) {
    const ofLabels = !denseLayers.has(node.op) && node.inputs.some(name => labels.has(name))
    if (ofLabels) for (const output of node.outputs) labels.add(output)
    const known = node.domain === "" && operators.has(node.op)
    if (ofLabels || !known || !node.inputs.every(convertible)) nodes.add(node)
  }
  return nodes
}

function fitsHalf(initializer: Initializer | undefined): boolean {
  if (initializer?.kind !== "constant" || initializer.tensor.dtype !== "float32") return true
  return (initializer.tensor.data as Float32Array).every(value => Math.abs(value) <= largestHalf)
}

function halved({ shape, data }: Tensor): Tensor {
  return { dtype: "float16", shape, data: float32ToFloat16(data as Float32Array) }
}

// A conversion to float32 in the midst of float16 goes there instead.
function castTo(node: Node, dtype: "float32" | "float16"): Node["attributes"] {
  const { to } = node.attributes
  if (to?.kind !== "int" || to.value !== dtypeCode("float32")) return node.attributes
  return { ...node.attributes, to: { kind: "int", value: dtypeCode(dtype) } }
}
