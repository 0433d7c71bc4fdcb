import type { Value } from "../builder.ts"
import { GraphBuilder } from "../builder.ts"
import { GraphError } from "../errors.ts"
import { constantValue, shapeError } from "../operators.ts"
import { add } from "../ops/elementwise.ts"
import { operators } from "../ops/index.ts"
import { readNames, removeUnused } from "../remove-unused.ts"
import type { Dim, Graph, GraphValue, Node, ValueType } from "../types.ts"
import { formatShape } from "../types.ts"
import { definedNames } from "./names.ts"
import { oldestOpset, raiseOpset } from "./raise-opset.ts"
import { resolveShapes } from "./resolve-shapes.ts"
import type { GradientContext } from "./rule.ts"
import { flat } from "./rule.ts"
import { gradientRules } from "./rules.ts"
import { filledLike, isFloat } from "./values.ts"

export interface VjpOptions {
  /** Whether the result also gives the outputs of the graph itself. Default true. */
  readonly keepOutputs?: boolean
  /** The name of the input that takes an output's cotangent. Default `<output>_cotangent`. */
  readonly cotangentName?: (output: string) => string
  /** The name of the output that gives the gradient by an input. Default `<input>_grad`. */
  readonly gradientName?: (input: string) => string
}

/**
 * Reverse-mode differentiation as a transformation of graphs: adds the nodes that compute cotangentᵀ·Jacobian, that is
 * Σᵢ vᵢ·∂yᵢ/∂x summed over the named outputs y, for each of the named inputs x.
 *
 * Beside the inputs of `graph` the result takes the cotangent v of every named output, in that output's type, as
 * `<output>_cotangent`. After the outputs of `graph` it gives the gradient by every named input, in that input's type,
 * as `<input>_grad`: zeros where no output depends on it.
 *
 * ```ts
 * vjp(unet2dGraph(config, [32, 32]), ["out_sample"], ["sample"]) // … → out_sample, sample_grad
 * ```
 *
 * Weights can stay weights or be differentiated by, but a weight that was folded away (`foldParameters`) has no name to
 * ask by: differentiate first, then fold.
 *
 * @param outputs names of outputs of the graph.
 * @param inputs names of inputs of the graph, or of its weights and constants.
 * @throws GraphError `GRAPH_UNKNOWN_OPERATOR` for an operator without a rule between the two; `GRAPH_SHAPE` for a form
 *   of an operator that has no gradient, and where a type that a rule needs is unknown; `GRAPH_STRUCTURE` for names
 *   that the graph doesn't have or has already, values that aren't floats, an opset outside 13–21.
 */
export function vjp(
  graph: Graph,
  outputs: readonly string[],
  inputs: readonly string[],
  options: VjpOptions = {},
): Graph {
  requireOpset(graph)
  return differentiate(resolveShapes(raiseOpset(graph)), outputs, inputs, options)
}

function differentiate(
  graph: Graph,
  outputs: readonly string[],
  inputs: readonly string[],
  options: VjpOptions,
): Graph {
  const {
    keepOutputs = true,
    cotangentName = name => `${name}_cotangent`,
    gradientName = name => `${name}_grad`,
  } = options
  const { types } = graph
  const cotangents = [...new Set(outputs)].map(output => {
    const type = graph.outputs.find(({ name }) => name === output)
    requireFloat(output, type, "output")
    return { output, name: cotangentName(output), dtype: type.dtype, shape: type.shape }
  })
  const wanted = new Set(inputs)
  for (const name of wanted) {
    const given = graph.initializers.has(name) || graph.inputs.some(input => input.name === name)
    requireFloat(name, given ? types.get(name) : undefined, "input or weight")
  }
  requireFreeNames(graph, [...cotangents.map(({ name }) => name), ...[...wanted].map(gradientName)])

  const pass = new BackwardPass(graph, wanted)
  for (const { output, name, dtype, shape } of cotangents) pass.seed(output, { name, dtype, shape })
  const backward = pass.run(gradientName)
  return removeUnused({
    ...graph,
    inputs: [...graph.inputs, ...cotangents.map(({ name, dtype, shape }) => ({ name, dtype, shape }))],
    outputs: [...(keepOutputs ? graph.outputs : []), ...backward.outputs],
    nodes: [...graph.nodes, ...backward.nodes],
    initializers: new Map([...graph.initializers, ...backward.initializers]),
    types: new Map([...types, ...backward.types]),
  })
}

/**
 * The graph of the backward pass alone. Values of the forward pass are inputs of it, declared when a rule first asks
 * for them.
 */
class BackwardPass {
  readonly #graph: Graph
  readonly #wanted: ReadonlySet<string>
  readonly #active: ReadonlySet<string>
  readonly #producers: ReadonlyMap<string, Node>
  readonly #builder: GraphBuilder
  /** Begins the names of everything that the pass adds. */
  readonly #prefix: string
  readonly #forward = new Map<string, Value>()
  readonly #cotangents = new Map<string, Value>()

  constructor(graph: Graph, wanted: ReadonlySet<string>) {
    this.#graph = graph
    this.#wanted = wanted
    this.#active = activeValues(graph, wanted)
    this.#producers = new Map(graph.nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
    this.#builder = new GraphBuilder(graph.name, { opset: graph.opset })
    this.#prefix = freePrefix(graph)
  }

  seed(output: string, { name, dtype, shape }: GraphValue): void {
    this.#accumulate(output, this.#builder.input(name, dtype, shape))
  }

  run(gradientName: (input: string) => string): Graph {
    for (const node of this.#graph.nodes.toReversed()) {
      const place = node.scope === "" ? this.#prefix : `${this.#prefix}/${node.scope}`
      this.#builder.at(place, () => this.#differentiate(node))
    }
    return this.#builder.at(this.#prefix, () => {
      const gradients = [...this.#wanted].map(name => {
        const gradient = this.#cotangents.get(name) ?? filledLike(this.#forwardValue(name), 0)
        return [gradientName(name), gradient] as const
      })
      return this.#builder.build(Object.fromEntries(gradients))
    })
  }

  #differentiate(node: Node): void {
    const cotangents = node.outputs.map(name => this.#cotangents.get(name))
    const reaches = readNames(node).some(name => this.#active.has(name))
    if (!reaches || cotangents.every(cotangent => cotangent === undefined)) return
    const rule = node.domain === "" ? gradientRules.get(node.op) : undefined
    if (!rule) throw unknownOperator(node)
    const context = this.#context(node, cotangents)
    const gradients = rule(context)
    for (const [i, name] of node.inputs.entries()) {
      const gradient = this.#active.has(name) ? gradients[i]?.() : undefined
      if (!gradient) continue
      if (!fits(gradient, context.input(i))) {
        shapeError(context, `the gradient by input ${i} comes out as ${formatShape(gradient.shape)}.`)
      }
      this.#accumulate(name, gradient)
    }
  }

  #accumulate(name: string, cotangent: Value): void {
    const before = this.#cotangents.get(name)
    this.#cotangents.set(name, before ? add(before, cotangent) : cotangent)
  }

  #context(node: Node, cotangents: readonly (Value | undefined)[]): GradientContext {
    const value = (names: readonly string[], index: number): Value =>
      this.#forwardValue(names[index] ?? "", node)
    return {
      op: node.op,
      scope: node.scope,
      opset: this.#graph.opset,
      inputs: node.inputs.map(name => this.#graph.types.get(name)),
      attributes: node.attributes,
      outputCount: node.outputs.length,
      constant: index => constantValue(this.#graph.initializers.get(node.inputs[index] ?? "")),
      builder: this.#builder,
      node,
      cotangents,
      get cotangent() {
        return cotangents[0] ?? filledLike(value(node.outputs, 0), 0)
      },
      has: index => (node.inputs[index] ?? "") !== "",
      input: index => value(node.inputs, index),
      output: index => value(node.outputs, index),
      producer: index => this.#producers.get(node.inputs[index] ?? ""),
    }
  }

  #forwardValue(name: string, user?: Node): Value {
    const known = this.#forward.get(name)
    if (known) return known
    const type = this.#graph.types.get(name) ?? this.#unknownType(name, user)
    const value = this.#builder.input(name, type.dtype, type.shape)
    this.#forward.set(name, value)
    return value
  }

  // Types are lost behind an operator that has no rule: it is the one to name.
  #unknownType(name: string, user: Node | undefined): never {
    const isUnknown = (input: string): boolean => input !== "" && !this.#graph.types.has(input)
    let first = this.#producers.get(name)
    for (let unknown = first?.inputs.find(isUnknown); unknown !== undefined; ) {
      first = this.#producers.get(unknown)
      unknown = first?.inputs.find(isUnknown)
    }
    if (first && (first.domain !== "" || !operators.has(first.op))) throw unknownOperator(first)
    const needed = user ? `, which the gradient of ${user.op}${placeOf(user)} needs,` : ""
    throw new GraphError("GRAPH_SHAPE", `The type of "${name}"${needed} is not known.`)
  }
}

/** The values that change with the given ones and that cotangents can flow through. */
function activeValues(graph: Graph, from: ReadonlySet<string>): ReadonlySet<string> {
  const active = new Set(from)
  for (const node of graph.nodes) {
    const constant = node.domain === "" && gradientRules.get(node.op) === flat
    if (constant || !readNames(node).some(name => active.has(name))) continue
    for (const name of node.outputs) {
      const type = graph.types.get(name)
      if (name !== "" && (!type || isFloat(type.dtype))) active.add(name)
    }
  }
  return active
}

const newestOpset = 21

function requireOpset({ opset }: Graph): void {
  if (opset >= oldestOpset && opset <= newestOpset) return
  throw new GraphError(
    "GRAPH_STRUCTURE",
    `A graph of opset ${opset} can't be differentiated; ${oldestOpset} to ${newestOpset} can.`,
    { hint: "Export the model again with one of these." },
  )
}

// Declared types can contradict each other, and what doesn't fit would broadcast.
function fits(gradient: ValueType, input: ValueType): boolean {
  const { shape } = gradient
  const isSame = (a: Dim, b: Dim): boolean => a === b || typeof a === "string" || typeof b === "string"
  return shape.length === input.shape.length && shape.every((size, axis) => isSame(size, input.shape[axis]!))
}

function requireFloat(name: string, type: ValueType | undefined, kind: string): asserts type is ValueType {
  if (type && isFloat(type.dtype)) return
  const problem = type
    ? `is ${type.dtype}${formatShape(type.shape)}; only floats have gradients`
    : `is no ${kind}`
  throw new GraphError("GRAPH_STRUCTURE", `"${name}" ${problem}${type ? "" : " of the graph"}.`)
}

function requireFreeNames(graph: Graph, names: readonly string[]): void {
  const taken = definedNames(graph)
  for (const name of names) {
    if (taken.has(name)) {
      throw new GraphError("GRAPH_STRUCTURE", `The graph has a value "${name}" already.`, {
        hint: "Give cotangents and gradients other names by the options cotangentName and gradientName.",
      })
    }
    taken.add(name)
  }
}

function freePrefix(graph: Graph): string {
  const names = [...definedNames(graph)]
  let prefix = "vjp"
  for (let i = 2; names.some(name => name.startsWith(`${prefix}/`)); i++) prefix = `vjp${i}`
  return prefix
}

function unknownOperator(node: Node): GraphError {
  const name = node.domain === "" ? node.op : `${node.domain}:${node.op}`
  return new GraphError(
    "GRAPH_UNKNOWN_OPERATOR",
    `There is no rule for the gradient of the operator ${name}${placeOf(node)}.`,
  )
}

function placeOf(node: Node): string {
  return node.scope === "" ? "" : ` in ${node.scope}`
}
