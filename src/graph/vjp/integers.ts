import type { Tensor } from "../../tensor.ts"
import { elementCount } from "../../tensor.ts"
import type { Attributes, Dim, Node, ValueType } from "../types.ts"

/** A small tensor of integers, as shapes and axes are computed with; an element may be a symbolic size. */
export interface Integers {
  readonly shape: readonly number[]
  readonly elements: readonly Dim[]
}

// More than any shape or list of pads has.
const mostElements = 64

/** The elements of a small constant of integers. */
export function integersOf({ dtype, shape, data }: Tensor): Integers | undefined {
  if ((dtype !== "int64" && dtype !== "int32") || data.length > mostElements) return undefined
  return { shape, elements: Array.from(data as BigInt64Array | Int32Array, Number) }
}

/** What a node computes, where it is arithmetic on sizes; undefined where it isn't or can't be told. */
export function evaluate(
  node: Node,
  inputs: readonly (Integers | undefined)[],
  types: readonly (ValueType | undefined)[],
): Integers | undefined {
  const rule = node.domain === "" ? rules.get(node.op) : undefined
  // Of a Shape's input the type is enough; an input that is given and unknown must not pass for one that is left out.
  const complete = node.op === "Shape" || node.inputs.every((name, i) => name === "" || inputs[i])
  const result = complete ? rule?.(inputs, node.attributes, types) : undefined
  return result && result.elements.length <= mostElements ? result : undefined
}

// ONNX's numbers of the types int32 and int64.
const integerTypes: ReadonlySet<number> = new Set([6, 7])

type Rule = (
  inputs: readonly (Integers | undefined)[],
  attributes: Attributes,
  types: readonly (ValueType | undefined)[],
) => Integers | undefined

const list: Readonly<Record<string, Rule>> = {
  Add: elementwise(ofNumbers((a, b) => a + b)),
  Cast: ([x], { to }) => (integerTypes.has(intOf(to, 0)) ? x : undefined),
  Concat: inputs => {
    if (!inputs.every(input => input?.shape.length === 1)) return undefined
    return vector(inputs.flatMap(input => input!.elements))
  },
  ConstantOfShape: ([shape], { value }) => {
    const sizes = knownNumbers(shape)
    const filler = value?.kind === "tensor" ? integersOf(value.value)?.elements[0] : undefined
    if (!sizes || filler === undefined || elementCount(sizes) > mostElements) return undefined
    return { shape: sizes, elements: Array<Dim>(elementCount(sizes)).fill(filler) }
  },
  Div: elementwise(quotient),
  Gather: ([x, indices]) => {
    const chosen = knownNumbers(indices)
    if (x?.shape.length !== 1 || !indices || !chosen) return undefined
    const elements = chosen.map(i => x.elements.at(i))
    return elements.every(isKnown) ? { shape: indices.shape, elements } : undefined
  },
  Identity: ([x]) => x,
  Mul: elementwise(product),
  Reshape: ([x, target]) => {
    const sizes = knownNumbers(target)
    if (!x || !sizes || sizes.includes(0)) return undefined
    const rest = sizes.reduce((count, size) => (size === -1 ? count : count * size), 1)
    const shape = sizes.map(size => (size === -1 ? x.elements.length / rest : size))
    return elementCount(shape) === x.elements.length ? { shape, elements: x.elements } : undefined
  },
  Shape: (_, { start, end }, [type]) =>
    type && vector(type.shape.slice(intOf(start, 0), intOf(end, type.shape.length))),
  Slice: ([x, starts, ends, axes, steps]) => {
    const [start, end, axis = 0, step = 1] = [starts, ends, axes, steps].map(list => knownNumbers(list)?.[0])
    if (!x || start === undefined || end === undefined || starts!.elements.length !== 1) return undefined
    return sliced(x, axis < 0 ? axis + x.shape.length : axis, start, end, step)
  },
  Squeeze: ([x]) => (x?.shape.join() === "1" ? { shape: [], elements: x.elements } : undefined),
  Sub: elementwise(ofNumbers((a, b) => a - b)),
  Transpose: ([x], { perm }) => {
    if (x?.shape.length !== 2) return undefined
    if (perm?.kind === "ints" && perm.value[0] === 0) return x
    const [rows, columns] = x.shape as readonly [number, number]
    const elements = x.elements.map((_, i) => x.elements[(i % rows) * columns + Math.floor(i / rows)]!)
    return { shape: [columns, rows], elements }
  },
  Unsqueeze: ([x]) => (x?.shape.length === 0 ? vector(x.elements) : undefined),
}

const rules: ReadonlyMap<string, Rule> = new Map(Object.entries(list))

function vector(elements: readonly Dim[]): Integers {
  return { shape: [elements.length], elements }
}

function knownNumbers(x: Integers | undefined): readonly number[] | undefined {
  return x?.elements.every(element => typeof element === "number") ? x.elements : undefined
}

function intOf(attribute: Attributes[string] | undefined, fallback: number): number {
  return attribute?.kind === "int" ? attribute.value : fallback
}

function elementwise(combine: (a: Dim, b: Dim) => Dim | undefined): Rule {
  return ([a, b]) => {
    if (!a || !b) return undefined
    const [smaller, larger] = isLarger(a, b) ? [b, a] : [a, b]
    if (smaller.elements.length !== 1 && smaller.shape.join() !== larger.shape.join()) return undefined
    const at = ({ elements }: Integers, i: number): Dim => elements[i % elements.length]!
    const elements = larger.elements.map((_, i) => combine(at(a, i), at(b, i)))
    return elements.every(isKnown) ? { shape: larger.shape, elements } : undefined
  }
}

// In elements, else in dimensions.
function isLarger(a: Integers, b: Integers): boolean {
  const difference = a.elements.length - b.elements.length
  return difference > 0 || (difference === 0 && a.shape.length > b.shape.length)
}

function isKnown(element: Dim | undefined): element is Dim {
  return element !== undefined
}

function ofNumbers(combine: (a: number, b: number) => number): (a: Dim, b: Dim) => number | undefined {
  return (a, b) => (typeof a === "number" && typeof b === "number" ? combine(a, b) : undefined)
}

// Symbolic sizes are written as in inferred shapes: `batch`, `batch*4`.
function product(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === "number" && typeof b === "number") return a * b
  if (typeof a === "string" && typeof b === "string") return undefined
  const [symbolic, factor] = (typeof a === "string" ? [a, b] : [b, a]) as [string, number]
  const [symbol, times = "1"] = symbolic.split("*")
  const count = Number(times) * factor
  if (factor === 0 || !Number.isSafeInteger(count)) return factor === 0 ? 0 : undefined
  return count === 1 ? symbol! : `${symbol}*${count}`
}

function quotient(a: Dim, b: Dim): Dim | undefined {
  if (typeof b !== "number" || b === 0) return undefined
  if (typeof a === "number") return Math.trunc(a / b)
  const [symbol, times = "1"] = a.split("*")
  const factor = Number(times) / b
  if (!Number.isInteger(factor)) return undefined
  return factor === 1 ? symbol! : `${symbol}*${factor}`
}

function sliced(
  { shape, elements }: Integers,
  axis: number,
  start: number,
  end: number,
  step: number,
): Integers | undefined {
  const size = shape[axis]
  if (size === undefined || step === 0) return undefined
  const within = (n: number, low: number, high: number): number =>
    Math.min(Math.max(n < 0 ? n + size : n, low), high)
  const first = step > 0 ? within(start, 0, size) : within(start, 0, size - 1)
  const last = step > 0 ? within(end, 0, size) : within(end, -1, size - 1)
  const count = Math.max(0, Math.ceil((last - first) / step))
  const behind = elementCount(shape.slice(axis + 1))
  const before = elementCount(shape.slice(0, axis))
  const chosen = Array.from({ length: before * count * behind }, (_, i) => {
    const [row, place, column] = [
      Math.floor(i / (count * behind)),
      Math.floor(i / behind) % count,
      i % behind,
    ]
    return elements[(row * size + first + place * step) * behind + column]!
  })
  return { shape: shape.with(axis, count), elements: chosen }
}
