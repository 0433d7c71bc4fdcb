import type { GraphBuilder, Value } from "../builder.ts"
import type { OperatorContext } from "../operators.ts"
import { shapeError } from "../operators.ts"
import type { Node } from "../types.ts"

/**
 * What a gradient's rule gets to see of one node: its inputs and outputs as the forward pass has them, and the
 * cotangents of its outputs. Everything that the rule computes is added to the builder of the backward pass.
 */
export interface GradientContext extends OperatorContext {
  readonly builder: GraphBuilder
  readonly node: Node
  /** Cotangent of the first output, in its shape. */
  readonly cotangent: Value
  /** Cotangents of all outputs; undefined for those that nothing depends on. */
  readonly cotangents: readonly (Value | undefined)[]
  /** Whether the node is given input `index`. */
  has(index: number): boolean
  /** Input `index` of the forward pass. */
  input(index: number): Value
  /** Output `index` of the forward pass. */
  output(index: number): Value
  /** The node of the forward pass that computes input `index`. */
  producer(index: number): Node | undefined
}

/** Computes the cotangent of one input, in its shape. */
export type Gradient = () => Value

/**
 * One operator's rule: cotangentᵀ·Jacobian for every input, computed only where it is asked for.
 * An input without an entry (a shape, an index, a condition) has no gradient.
 */
export type GradientRule = (context: GradientContext) => readonly (Gradient | undefined)[]

/** The rule of operators that are constant almost everywhere. */
export const flat: GradientRule = () => []

/** A float attribute, or its default. */
export function floatAttribute(context: OperatorContext, name: string, fallback: number): number {
  const found = context.attributes[name]
  if (found && found.kind !== "float") shapeError(context, `the attribute ${name} must be of kind float.`)
  return found?.value ?? fallback
}
