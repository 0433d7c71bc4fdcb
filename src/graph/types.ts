import type { DType, Tensor } from "../tensor.ts"
import type { AttributeProto } from "./onnx_pb.ts"

/** One dimension: a fixed size, or the name of a size that is known only at run time (the batch). */
export type Dim = number | string

/** What is known about a value before it is computed. */
export interface ValueType {
  readonly dtype: DType
  readonly shape: readonly Dim[]
}

/** An operator's attribute, with the kind that ONNX stores it as. */
export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Tensor }
  /** Anything else (subgraphs, say), kept as it was read so that writing gives it back. */
  | { readonly kind: "opaque"; readonly value: AttributeProto }

export type Attributes = Readonly<Record<string, Attribute>>

/** One operator application. An input that is left out is the empty string, as in ONNX. */
export interface Node {
  readonly op: string
  /** "" for standard ONNX operators. */
  readonly domain: string
  /** Where in the model's definition the node comes from, such as `down_blocks.0.resnets.1/conv1`. */
  readonly scope: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Attributes
}

/** A tensor that the graph holds: a constant, a weight, or something computed from weights when they are bound. */
export type Initializer =
  | { readonly kind: "constant"; readonly name: string; readonly tensor: Tensor }
  | ({ readonly kind: "parameter"; readonly name: string } & ValueShape)
  | ({
      readonly kind: "derived"
      readonly name: string
      /** The checkpoint's tensors that it is computed from. */
      readonly sources: readonly ParameterSource[]
      /** Gets the sources' float32 elements in order; returns this tensor's. Must not change its arguments. */
      readonly compute: (sources: readonly Float32Array[]) => Float32Array
    } & ValueShape)

interface ValueShape {
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** A checkpoint's tensor by name. */
export interface ParameterSource extends ValueShape {
  readonly name: string
}

/** A named input or output. */
export interface GraphValue extends ValueType {
  readonly name: string
}

/**
 * A computation as plain data: nodes in an order in which they can run, and the tensors they need.
 * `types` holds what is known of every named value; in a graph that was built here that is everything.
 */
export interface Graph {
  readonly name: string
  /** Version of the standard operator set: 18–21 in a graph that was built here, any in one that was read. */
  readonly opset: number
  /** Versions of the other operator sets that a graph that was read uses, by domain. */
  readonly otherOpsets: ReadonlyMap<string, number>
  readonly inputs: readonly GraphValue[]
  readonly outputs: readonly GraphValue[]
  readonly nodes: readonly Node[]
  readonly initializers: ReadonlyMap<string, Initializer>
  readonly types: ReadonlyMap<string, ValueType>
  /** Free text pairs that travel in the ONNX file. */
  readonly metadata: Readonly<Record<string, string>>
}

/** A shape as text, such as `[batch, 3, 32, 32]`. */
export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.join(", ")}]`
}

/** The shape and element type of an initializer. */
export function initializerType(initializer: Initializer): ValueType & { readonly shape: readonly number[] } {
  const { dtype, shape } = initializer.kind === "constant" ? initializer.tensor : initializer
  return { dtype, shape }
}
