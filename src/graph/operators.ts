import type { DType, Tensor } from "../tensor.ts"
import { GraphError } from "./errors.ts"
import type { Attribute, Attributes, Initializer, ValueType } from "./types.ts"
import { formatShape } from "./types.ts"

/** What an operator's rule gets to see: the types of its inputs, and the values of those that are constants. */
export interface OperatorContext {
  readonly op: string
  readonly scope: string
  readonly opset: number
  readonly inputs: readonly (ValueType | undefined)[]
  readonly attributes: Attributes
  /** Number of outputs that the node names. */
  readonly outputCount: number
  /** The value of input `index` where it is a constant of the graph. */
  constant(index: number): Tensor | undefined
}

/** One operator's rule: the types of its outputs from those of its inputs; throws `GRAPH_SHAPE` when they don't fit. */
export interface OperatorRule {
  readonly infer: (context: OperatorContext) => readonly ValueType[]
}

/** Stops with an error that names the operator, where it stands, its inputs and what is wrong with them. */
export function shapeError(context: OperatorContext, problem: string): never {
  const inputs = context.inputs.map(type => (type ? `${type.dtype}${formatShape(type.shape)}` : "—"))
  const place = context.scope === "" ? "" : ` in ${context.scope}`
  throw new GraphError("GRAPH_SHAPE", `${context.op}${place}: ${problem} Inputs: ${inputs.join(", ")}.`)
}

/** Input `index`, which the operator can't do without. */
export function required(context: OperatorContext, index: number): ValueType {
  return context.inputs[index] ?? shapeError(context, `input ${index} is missing.`)
}

/** Input `index`, with the rank that the operator needs. */
export function requiredRank(context: OperatorContext, index: number, rank: number): ValueType {
  const type = required(context, index)
  if (type.shape.length !== rank) shapeError(context, `input ${index} must have ${rank} dimensions.`)
  return type
}

/** Checks that all given inputs share one element type and returns it. */
export function sameDType(context: OperatorContext, indices: readonly number[]): DType {
  const types = indices.flatMap(index => context.inputs[index]?.dtype ?? [])
  const first = types[0] ?? shapeError(context, "no inputs.")
  if (types.some(dtype => dtype !== first)) shapeError(context, `element types differ (${types.join(", ")}).`)
  return first
}

/** The value of an initializer, where it is known before the weights are. */
export function constantValue(initializer: Initializer | undefined): Tensor | undefined {
  return initializer?.kind === "constant" ? initializer.tensor : undefined
}

/** The integers of an input such as a target shape, which must be a constant for the shape to be known. */
export function requiredInts(context: OperatorContext, index: number): readonly number[] {
  const value = context.constant(index)
  if (value?.dtype !== "int64" && value?.dtype !== "int32") {
    shapeError(context, `input ${index} must be a constant of integers.`)
  }
  return Array.from(value.data as BigInt64Array | Int32Array, Number)
}

/** An integer attribute, or its default. */
export function intAttribute(context: OperatorContext, name: string, fallback: number): number {
  return attribute(context, name, "int")?.value ?? fallback
}

/** A list attribute, or its default. */
export function intsAttribute(
  context: OperatorContext,
  name: string,
  fallback: readonly number[],
): readonly number[] {
  return attribute(context, name, "ints")?.value ?? fallback
}

/** A text attribute, or its default. */
export function stringAttribute(context: OperatorContext, name: string, fallback: string): string {
  return attribute(context, name, "string")?.value ?? fallback
}

function attribute<K extends Attribute["kind"]>(
  context: OperatorContext,
  name: string,
  kind: K,
): Extract<Attribute, { readonly kind: K }> | undefined {
  const found = context.attributes[name]
  if (found && found.kind !== kind) shapeError(context, `the attribute ${name} must be of kind ${kind}.`)
  return found as Extract<Attribute, { readonly kind: K }> | undefined
}

/** An axis that may count from the end, as one that counts from the start. */
export function normalizeAxis(context: OperatorContext, axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis
  if (normalized < 0 || normalized >= rank) {
    shapeError(context, `axis ${axis} is outside the ${rank} dimensions.`)
  }
  return normalized
}

/** Axes that may count from the end, each named once, as ones that count from the start. */
export function normalizeAxes(
  context: OperatorContext,
  axes: readonly number[],
  rank: number,
): ReadonlySet<number> {
  const normalized = new Set(axes.map(axis => normalizeAxis(context, axis, rank)))
  if (normalized.size !== axes.length) shapeError(context, `the axes ${axes.join(", ")} name one twice.`)
  return normalized
}

/** A dimension that must be known before run time. */
export function knownSize(context: OperatorContext, { shape }: ValueType, axis: number): number {
  const size = shape[axis]
  return typeof size === "number" ? size : shapeError(context, `the size of axis ${axis} must be known.`)
}
