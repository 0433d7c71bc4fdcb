import type { Value } from "../builder.ts"
import type { OperatorContext } from "../operators.ts"
import {
  intAttribute,
  knownSize,
  normalizeAxes,
  normalizeAxis,
  requiredInts,
  shapeError,
  stringAttribute,
} from "../operators.ts"
import { add } from "../ops/elementwise.ts"
import { matmul } from "../ops/matmul.ts"
import { cast, pad, reshape, slice, transpose } from "../ops/shape.ts"
import type { LinearMap } from "./along-axis.ts"
import { transposedAlongAxis } from "./along-axis.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { placed } from "./strided.ts"
import { compare, concatMany, knownCount, unbroadcast, where } from "./values.ts"

// One rule per operator of ops/shape.ts.

// The same elements in another shape.
const reshapeRule: GradientRule = context => [() => reshape(context.cotangent, context.input(0).shape)]

const transposeRule: GradientRule = context => [
  () => {
    const { cotangent: dy } = context
    const attribute = context.attributes.perm
    const order = attribute?.kind === "ints" ? attribute.value : [...dy.shape.keys()].reverse()
    return transpose(
      dy,
      [...order.keys()].map(axis => order.indexOf(axis)),
    )
  },
]

const castRule: GradientRule = context => [() => cast(context.cotangent, context.input(0).dtype)]

const expandRule: GradientRule = context => [() => unbroadcast(context.cotangent, context.input(0).shape)]

const concatRule: GradientRule = context => {
  const { cotangent: dy } = context
  const axis = normalizeAxis(context, intAttribute(context, "axis", 0), dy.shape.length)
  let end = 0
  return context.inputs.map((_, index) => {
    const start = end
    end += knownSize(context, context.input(index), axis)
    const range = [start, end] as const
    return () => (context.inputs.length === 1 ? dy : slice(dy, axis, ...range))
  })
}

const splitRule: GradientRule = context => [
  () => {
    const { cotangents } = context
    const { shape } = context.input(0)
    const axis = normalizeAxis(context, intAttribute(context, "axis", 0), shape.length)
    if (cotangents.every(dy => dy !== undefined)) return concatMany(cotangents, axis)
    // Pieces that nothing depends on leave zeros.
    let start = 0
    const parts = cotangents.flatMap((dy, i) => {
      const place = { axis, start, step: 1 }
      start += context.output(i).shape[axis] as number
      return dy ? [placed(dy, shape, [place])] : []
    })
    return parts.reduce((a, b) => add(a, b))
  },
]

const sliceRule: GradientRule = context => [
  () => {
    const { shape } = context.input(0)
    const starts = requiredInts(context, 1)
    const axes = context.has(3) ? requiredInts(context, 3) : [...starts.keys()]
    const steps = context.has(4) ? requiredInts(context, 4) : starts.map(() => 1)
    const progressions = [...normalizeAxes(context, axes, shape.length)].map((axis, i) => {
      const size = shape[axis] as number
      const start = starts[i]! < 0 ? starts[i]! + size : starts[i]!
      const step = steps[i]!
      return { axis, start: Math.min(Math.max(start, 0), step > 0 ? size : size - 1), step }
    })
    return placed(context.cotangent, shape, progressions)
  },
]

const padRule: GradientRule = context => {
  const { cotangent: dy } = context
  const mode = stringAttribute(context, "mode", "constant")
  return [
    () => {
      const { shape } = context.input(0)
      const pads = padsPerAxis(context, shape.length)
      if (mode === "constant") {
        return pad(
          dy,
          pads.map(([before]) => -before),
          pads.map(([, after]) => -after),
        )
      }
      return pads.reduce((gradient, [before, after], axis) => {
        if (before === 0 && after === 0) return gradient
        const size = shape[axis] as number
        return transposedAlongAxis(gradient, axis, padMap(context, mode, size, before, after), size)
      }, dy)
    },
    undefined,
    () => shapeError(context, "there is no gradient by the value that fills the padding."),
  ]
}

/** What every element of a padded axis is a copy of. */
function padMap(
  context: OperatorContext,
  mode: string,
  size: number,
  before: number,
  after: number,
): LinearMap {
  const period = 2 * (size - 1)
  const mirrored = (i: number): number => {
    const place = period === 0 ? 0 : modulo(i, period)
    return place < size ? place : period - place
  }
  const sources = new Map<string, (i: number) => number>([
    ["reflect", mirrored],
    ["edge", i => Math.min(Math.max(i, 0), size - 1)],
    ["wrap", i => modulo(i, size)],
  ])
  const source = sources.get(mode) ?? shapeError(context, `the mode ${mode} has no gradient.`)
  return Array.from({ length: before + size + after }, (_, i) => [[source(i - before), 1]])
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b
}

function padsPerAxis(context: GradientContext, rank: number): readonly (readonly [number, number])[] {
  const pads = requiredInts(context, 1)
  const axes = context.has(3)
    ? [...normalizeAxes(context, requiredInts(context, 3), rank)]
    : Array.from({ length: rank }, (_, axis) => axis)
  return Array.from({ length: rank }, (_, axis) => {
    const i = axes.indexOf(axis)
    return i === -1 ? [0, 0] : [pads[i]!, pads[i + axes.length]!]
  })
}

// A row of the table gets the sum of the cotangents of its copies: a product with one-hot indices.
const gatherRule: GradientRule = context => [
  () => {
    const { cotangent: dy } = context
    const [table, indices] = [context.input(0), context.input(1)]
    const axis = normalizeAxis(context, intAttribute(context, "axis", 0), table.shape.length)
    const rows = knownSize(context, table, axis)
    const axes = [...dy.shape.keys()]
    const copies = axes.splice(axis, indices.shape.length)
    const others = axes.map(i => dy.shape[i]!)
    const copiesFirst = axis === 0 ? dy : transpose(dy, [...copies, ...axes])
    const columns = [knownCount(indices.shape) ?? -1, knownCount(others) ?? -1]
    const product = matmul(oneHot(indices, rows, dy), reshape(copiesFirst, columns))
    const rowsFirst = reshape(product, [rows, ...others])
    return axis === 0 ? rowsFirst : transpose(rowsFirst, others.map((_, i) => i + 1).toSpliced(axis, 0, 0))
  },
]

/** [rows, number of indices]: 1 where an index names the row, else 0; in the element type of `like`. */
function oneHot(indices: Value, rows: number, like: Value): Value {
  const { builder } = indices
  // The web has arithmetic on 32-bit integers.
  const number = (n: number): Value => builder.constant("int32", [1], Int32Array.of(n))
  const range = builder.constant(
    "int32",
    [rows, 1],
    Int32Array.from({ length: rows }, (_, row) => row),
  )
  const flat = reshape(cast(indices, "int32"), [1, -1])
  const countedBack = builder.apply("Add", [flat, number(rows)])[0]!
  const fromStart = where(compare("Less", flat, number(0)), countedBack, flat)
  return cast(compare("Equal", range, fromStart), like.dtype)
}

export const shapeGradients: Readonly<Record<string, GradientRule>> = {
  Cast: castRule,
  Concat: concatRule,
  Expand: expandRule,
  Gather: gatherRule,
  Pad: padRule,
  Reshape: reshapeRule,
  Slice: sliceRule,
  Split: splitRule,
  Squeeze: reshapeRule,
  Transpose: transposeRule,
  Unsqueeze: reshapeRule,
}
