import type { DType } from "../../tensor.ts"
import { float32ToFloat16 } from "../../weights/half.ts"
import { dtypeCode } from "../onnx-types.ts"
import type { Graph, Initializer, Node, ValueType } from "../types.ts"

/**
 * The same network computing in float16, with float32 inputs and outputs.
 *
 * What depends on the label of the noise level (a vector [batch]) stays in float32 until the first dense layer: the
 * sines of large angles and the division by σ need the precision.
 */
export function toFloat16(graph: Graph): Graph {
  return new HalfPrecision(graph).convert()
}

// Inputs that ONNX wants in float32 whatever the element type of the rest.
const alwaysFloat32: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2] }

class HalfPrecision {
  readonly #graph: Graph
  readonly #nodes: Node[] = []
  readonly #initializers = new Map<string, Initializer>()
  readonly #types = new Map<string, ValueType>()
  readonly #casts = new Map<string, string>()
  readonly #outputs: ReadonlySet<string>

  constructor(graph: Graph) {
    this.#graph = graph
    this.#outputs = new Set(graph.outputs.map(output => output.name))
  }

  convert(): Graph {
    const { inputs, outputs } = this.#graph
    for (const { name, ...type } of inputs) this.#types.set(name, type)
    const float32 = labelNodes(this.#graph)
    for (const node of this.#graph.nodes) {
      const dtype: DType = float32.has(node) ? "float32" : "float16"
      const renamed = node.outputs.map(name =>
        this.#outputs.has(name) && dtype === "float16" ? `${name}/float16` : name,
      )
      this.#nodes.push({
        ...node,
        inputs: node.inputs.map((name, i) =>
          this.#operand(name, alwaysFloat32[node.op]?.includes(i) ? "float32" : dtype),
        ),
        outputs: renamed,
      })
      for (const [i, name] of node.outputs.entries()) {
        const type = this.#graph.types.get(name)
        if (type)
          this.#types.set(renamed[i]!, { ...type, dtype: type.dtype === "float32" ? dtype : type.dtype })
      }
    }
    for (const { name } of outputs) if (!this.#types.has(name)) this.#cast(`${name}/float16`, "float32", name)
    return { ...this.#graph, nodes: this.#nodes, initializers: this.#initializers, types: this.#types }
  }

  // The name under which `name` can be read as `dtype`; only floats are ever converted.
  #operand(name: string, dtype: DType): string {
    const initializer = this.#graph.initializers.get(name)
    if (initializer) return this.#initializer(initializer, dtype)
    const known = this.#types.get(name)?.dtype
    if (known === dtype || (known !== "float32" && known !== "float16")) return name
    return this.#cast(name, dtype, `${name}/${dtype}`)
  }

  #initializer(initializer: Initializer, dtype: DType): string {
    const stored = initializer.kind === "constant" ? initializer.tensor.dtype : initializer.dtype
    const half = stored === "float32" && dtype === "float16"
    // A weight keeps its name; a constant may be needed in both types.
    const name = half && initializer.kind === "constant" ? `${initializer.name}/float16` : initializer.name
    if (!this.#initializers.has(name))
      this.#initializers.set(name, half ? halved(initializer, name) : initializer)
    const type = this.#graph.types.get(initializer.name)
    if (type) this.#types.set(name, { ...type, dtype: half ? "float16" : type.dtype })
    return name
  }

  #cast(from: string, dtype: DType, to: string): string {
    const key = `${from}→${dtype}`
    const known = this.#casts.get(key)
    if (known !== undefined) return known
    this.#nodes.push({
      op: "Cast",
      domain: "",
      scope: "",
      inputs: [from],
      outputs: [to],
      attributes: { to: { kind: "int", value: dtypeCode(dtype) } },
    })
    const type = this.#types.get(from)
    if (type) this.#types.set(to, { ...type, dtype })
    this.#casts.set(key, to)
    return to
  }
}

// The nodes that depend on a vector of labels without a dense layer in between.
function labelNodes(graph: Graph): ReadonlySet<Node> {
  const isLabel = ({ dtype, shape }: ValueType): boolean => dtype === "float32" && shape.length === 1
  const values = new Set(graph.inputs.filter(isLabel).map(input => input.name))
  const nodes = new Set<Node>()
  for (const node of graph.nodes) {
    if (node.op === "Gemm" || !node.inputs.some(name => values.has(name))) continue
    nodes.add(node)
    for (const output of node.outputs) values.add(output)
  }
  return nodes
}

function halved(initializer: Initializer, name: string): Initializer {
  if (initializer.kind !== "constant") return { ...initializer, dtype: "float16" }
  const { shape, data } = initializer.tensor
  return {
    kind: "constant",
    name,
    tensor: { dtype: "float16", shape, data: float32ToFloat16(data as Float32Array) },
  }
}
