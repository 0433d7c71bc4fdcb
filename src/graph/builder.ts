import type { DType, Tensor, TensorData } from "../tensor.ts"
import { bytesPerElement, tensor } from "../tensor.ts"
import { GraphError } from "./errors.ts"
import { operators } from "./ops/index.ts"
import type { Attributes, Dim, Graph, GraphValue, Initializer, Node, ValueType } from "./types.ts"
import { formatShape } from "./types.ts"

/** A value of the graph under construction. Operators are plain functions from values to values. */
export interface Value extends ValueType {
  readonly name: string
  readonly builder: GraphBuilder
}

export interface GraphBuilderOptions {
  /** Version of the standard operator set, 18–21. Default 18, which every current runtime reads. */
  readonly opset?: number
  readonly metadata?: Readonly<Record<string, string>>
}

/**
 * Builds a {@link Graph} node by node, inferring and checking the type of every value on the way.
 *
 * Only the batch may have a symbolic size; all other dimensions are numbers.
 */
export class GraphBuilder {
  readonly name: string
  readonly opset: number
  readonly #metadata: Readonly<Record<string, string>>
  readonly #inputs: GraphValue[] = []
  readonly #nodes: Node[] = []
  readonly #initializers = new Map<string, Initializer>()
  readonly #types = new Map<string, ValueType>()
  readonly #producers = new Map<string, Node>()
  readonly #constants = new Map<string, Value>()
  #scope = ""

  constructor(name: string, options: GraphBuilderOptions = {}) {
    this.name = name
    this.opset = options.opset ?? 18
    this.#metadata = options.metadata ?? {}
    if (!(this.opset >= 18 && this.opset <= 21)) {
      throw new GraphError("GRAPH_STRUCTURE", `Opset ${this.opset} is not supported; use 18 to 21.`)
    }
  }

  /** Declares an input of the graph. */
  input(name: string, dtype: DType, shape: readonly Dim[]): Value {
    const value = this.#define(name, { dtype, shape })
    this.#inputs.push({ name, dtype, shape })
    return value
  }

  /** Declares a weight by the name that checkpoints give it. Asking again for the same name gives the same value. */
  parameter(name: string, shape: readonly number[], dtype: DType = "float32"): Value {
    const known = this.#initializers.get(name)
    if (known) {
      const type = this.#types.get(name)!
      if (
        known.kind !== "parameter" ||
        type.dtype !== dtype ||
        formatShape(type.shape) !== formatShape(shape)
      ) {
        throw new GraphError(
          "GRAPH_STRUCTURE",
          `"${name}" is declared twice: as ${type.dtype}${formatShape(type.shape)} and as ${dtype}${formatShape(shape)}.`,
        )
      }
      return { name, ...type, builder: this }
    }
    const value = this.#define(name, { dtype, shape })
    this.#initializers.set(name, { kind: "parameter", name, dtype, shape })
    return value
  }

  /** A constant of the graph; equal small constants are shared. */
  constant<D extends DType>(dtype: D, shape: readonly number[], data: TensorData[D]): Value {
    const key =
      data.length <= 16
        ? `${dtype}${formatShape(shape)}:${Array.from(data as ArrayLike<unknown>).join()}`
        : undefined
    const define = (): Value => this.#constant(dtype, shape, data)
    return key === undefined ? define() : this.shared(key, define)
  }

  #constant<D extends DType>(dtype: D, shape: readonly number[], data: TensorData[D]): Value {
    const name = this.#uniqueName("constant")
    const value = this.#define(name, { dtype, shape })
    this.#initializers.set(name, { kind: "constant", name, tensor: tensor(dtype, shape, data) as Tensor })
    return value
  }

  /** A float32 scalar. */
  scalar(number: number): Value {
    return this.constant("float32", [], Float32Array.of(number))
  }

  /** A vector of 64-bit integers, the form in which operators take shapes and axes. */
  ints(numbers: readonly number[]): Value {
    return this.constant("int64", [numbers.length], BigInt64Array.from(numbers, BigInt))
  }

  /** The value that `define` made when it was first asked for under `key`; for constants that many places need. */
  shared(key: string, define: () => Value): Value {
    const known = this.#constants.get(key)
    if (known) return known
    const value = define()
    this.#constants.set(key, value)
    return value
  }

  /** The node that computes `value`; undefined for inputs and initializers. */
  producer(value: Value): Node | undefined {
    return this.#producers.get(value.name)
  }

  /** The value of that name. */
  value(name: string): Value {
    const type = this.#types.get(name)
    if (!type) throw new GraphError("GRAPH_STRUCTURE", `There is no value "${name}".`)
    return { name, ...type, builder: this }
  }

  /** Runs `define` with `place` as the part of the model that errors and node names show. */
  at<T>(place: string, define: () => T): T {
    const outer = this.#scope
    this.#scope = place
    try {
      return define()
    } finally {
      this.#scope = outer
    }
  }

  /**
   * Adds one operator and returns its outputs.
   *
   * @throws GraphError `GRAPH_SHAPE` when the inputs don't fit, `GRAPH_UNKNOWN_OPERATOR` when there is no rule for `op`.
   */
  apply(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    outputCount = 1,
  ): readonly Value[] {
    const rule = operators[op]
    if (!rule) throw new GraphError("GRAPH_UNKNOWN_OPERATOR", `There is no rule for the operator ${op}.`)
    for (const input of inputs) {
      if (input && input.builder !== this) {
        throw new GraphError(
          "GRAPH_STRUCTURE",
          `${op} in ${this.#scope}: "${input.name}" belongs to another graph.`,
        )
      }
    }
    const types = rule.infer({
      op,
      scope: this.#scope,
      opset: this.opset,
      inputs,
      attributes,
      outputCount,
      constant: index => {
        const initializer = this.#initializers.get(inputs[index]?.name ?? "")
        return initializer?.kind === "constant" ? initializer.tensor : undefined
      },
    })
    const outputs = types.map(type => this.#define(this.#uniqueName(op), type))
    const node: Node = {
      op,
      domain: "",
      scope: this.#scope,
      inputs: inputs.map(input => input?.name ?? ""),
      outputs: outputs.map(output => output.name),
      attributes,
    }
    this.#nodes.push(node)
    for (const output of node.outputs) this.#producers.set(output, node)
    return outputs
  }

  /** Names the graph's outputs and returns it, without the nodes and tensors that no output needs. */
  build(outputs: Readonly<Record<string, Value>>): Graph {
    const names = new Map<string, string>()
    for (const [name, value] of Object.entries(outputs)) {
      if (this.#types.has(name)) throw new GraphError("GRAPH_STRUCTURE", `The name "${name}" is taken twice.`)
      const computed = this.#producers.has(value.name) && !names.has(value.name)
      names.set(computed ? value.name : this.apply("Identity", [value])[0]!.name, name)
    }
    const rename = (name: string): string => names.get(name) ?? name
    return removeUnused({
      name: this.name,
      opset: this.opset,
      inputs: this.#inputs,
      outputs: Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      nodes: this.#nodes.map(node => ({
        ...node,
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map(rename),
      })),
      initializers: this.#initializers,
      types: new Map([...this.#types].map(([name, type]) => [rename(name), type])),
      metadata: this.#metadata,
    })
  }

  #define(name: string, type: ValueType): Value {
    if (name === "" || this.#types.has(name)) {
      throw new GraphError("GRAPH_STRUCTURE", `The name "${name}" is taken twice.`)
    }
    this.#types.set(name, { dtype: type.dtype, shape: type.shape })
    return { name, dtype: type.dtype, shape: type.shape, builder: this }
  }

  #uniqueName(op: string): string {
    const place = this.#scope === "" ? op : `${this.#scope}/${op}`
    let name = `${place}_${this.#types.size}`
    while (this.#types.has(name)) name += "_"
    return name
  }
}

/** The same graph without the nodes and tensors that none of its outputs needs. */
export function removeUnused(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(output => output.name))
  const nodes: Node[] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(output => needed.has(output))) continue
    nodes.push(node)
    for (const input of node.inputs) needed.add(input)
  }
  nodes.reverse()
  return {
    ...graph,
    nodes,
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
    types: new Map(
      [...graph.types].filter(([name]) => needed.has(name) || graph.inputs.some(i => i.name === name)),
    ),
  }
}

/** Bytes of all weights of a graph, as they are declared. */
export function parameterBytes(graph: Graph): number {
  let bytes = 0
  for (const initializer of graph.initializers.values()) {
    if (initializer.kind === "constant") continue
    bytes += initializer.shape.reduce((a, b) => a * b, 1) * bytesPerElement[initializer.dtype]
  }
  return bytes
}
