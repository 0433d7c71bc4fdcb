import type { DType, Tensor, TensorData } from "../tensor.ts"
import { tensor } from "../tensor.ts"
import { GraphError } from "./errors.ts"
import type { OperatorContext } from "./operators.ts"
import { constantValue, shapeError } from "./operators.ts"
import { operators } from "./ops/index.ts"
import { removeUnused } from "./remove-unused.ts"
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
  /**
   * The type that the finished graph will compute in. The builder makes float32 graphs and `toFloat16` converts them,
   * but where it says float16, layers keep to forms whose intermediate numbers that type can hold. Default float32.
   */
  readonly precision?: "float32" | "float16"
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
  readonly precision: "float32" | "float16"
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
    this.precision = options.precision ?? "float32"
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
        ? `${dtype}${formatShape(shape)}:${Array.from(data as ArrayLike<unknown>, signedText).join()}`
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
    if (!numbers.every(Number.isSafeInteger)) {
      throw new GraphError("GRAPH_SHAPE", `${formatShape(numbers)}${this.#inPlace()} must be whole numbers.`)
    }
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
   * @throws GraphError `GRAPH_SHAPE` when the inputs don't fit, `GRAPH_UNKNOWN_OPERATOR` when there is no rule for `op`,
   *   `GRAPH_STRUCTURE` when an input belongs to another graph.
   */
  apply(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    outputCount = 1,
  ): readonly Value[] {
    const rule = operators.get(op)
    if (!rule) {
      throw new GraphError(
        "GRAPH_UNKNOWN_OPERATOR",
        `There is no rule for the operator ${op}${this.#inPlace()}.`,
      )
    }
    for (const input of inputs) if (input) this.#requireOwn(input, op)
    const context: OperatorContext = {
      op,
      scope: this.#scope,
      opset: this.opset,
      inputs,
      attributes,
      outputCount,
      constant: index => constantValue(this.#initializers.get(inputs[index]?.name ?? "")),
    }
    const types = rule.infer(context)
    if (types.length !== outputCount) {
      shapeError(context, `there are rules for ${types.length} outputs, not for ${outputCount}.`)
    }
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

  /**
   * Names the graph's outputs and returns it, without the nodes and tensors that no output needs.
   *
   * @throws GraphError `GRAPH_STRUCTURE` for no outputs, a name that is taken, a value of another graph.
   */
  build(outputs: Readonly<Record<string, Value>>): Graph {
    const names = new Map<string, string>()
    if (Object.keys(outputs).length === 0) {
      throw new GraphError("GRAPH_STRUCTURE", `The graph "${this.name}" has no outputs.`)
    }
    for (const [name, value] of Object.entries(outputs)) {
      this.#requireOwn(value, `the output "${name}"`)
      this.#requireFree(name)
      const computed = this.#producers.has(value.name) && !names.has(value.name)
      names.set(computed ? value.name : this.apply("Identity", [value])[0]!.name, name)
    }
    const rename = (name: string): string => names.get(name) ?? name
    return removeUnused({
      name: this.name,
      opset: this.opset,
      otherOpsets: new Map(),
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
    this.#requireFree(name)
    const wrong = type.shape.find(size =>
      typeof size === "string" ? size === "" : !(Number.isSafeInteger(size) && size >= 0),
    )
    if (wrong !== undefined) {
      throw new GraphError(
        "GRAPH_SHAPE",
        `"${name}" can't have the shape ${formatShape(type.shape)}: "${wrong}" is no size.`,
      )
    }
    this.#types.set(name, { dtype: type.dtype, shape: type.shape })
    return { name, dtype: type.dtype, shape: type.shape, builder: this }
  }

  #requireFree(name: string): void {
    if (name === "") throw new GraphError("GRAPH_STRUCTURE", "A value needs a name.")
    if (this.#types.has(name)) {
      throw new GraphError("GRAPH_STRUCTURE", `The name "${name}" is taken twice.`)
    }
  }

  #requireOwn(value: Value, user: string): void {
    if (value.builder === this) return
    throw new GraphError(
      "GRAPH_STRUCTURE",
      `"${value.name}", which ${user}${this.#inPlace()} takes, belongs to another graph.`,
    )
  }

  #inPlace(): string {
    return this.#scope === "" ? "" : ` in ${this.#scope}`
  }

  #uniqueName(op: string): string {
    const place = this.#scope === "" ? op : `${this.#scope}/${op}`
    let name = `${place}_${this.#types.size}`
    while (this.#types.has(name)) name += "_"
    return name
  }
}

// Numbers as text that tells 0 from −0.
function signedText(number: unknown): string {
  return Object.is(number, -0) ? "-0" : String(number)
}
