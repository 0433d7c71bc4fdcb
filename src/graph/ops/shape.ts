import type { DType } from "../../tensor.ts"
import type { Value } from "../builder.ts"
import { dtypeCode, dtypeFromCode } from "../onnx-types.ts"
import type { OperatorContext, OperatorRule } from "../operators.ts"
import {
  intAttribute,
  intsAttribute,
  knownSize,
  normalizeAxes,
  normalizeAxis,
  required,
  requiredInts,
  sameDType,
  shapeError,
} from "../operators.ts"
import type { Dim, ValueType } from "../types.ts"
import { formatShape } from "../types.ts"

/**
 * Gives `x` another shape with the same elements. A symbolic size keeps its place (`["batch", 8, 4]`),
 * and one size may be −1: whatever is left.
 */
export function reshape(x: Value, shape: readonly Dim[]): Value {
  const target = shape.map((size, axis) => {
    if (typeof size === "number") return size
    return x.shape[axis] === size ? 0 : -1
  })
  return x.builder.apply("Reshape", [x, x.builder.ints(target)], { allowzero: { kind: "int", value: 0 } })[0]!
}

/** Reorders the dimensions: output dimension i is input dimension `order[i]`. */
export function transpose(x: Value, order: readonly number[]): Value {
  return x.builder.apply("Transpose", [x], { perm: { kind: "ints", value: order } })[0]!
}

/** Joins values along one axis. */
export function concat(values: readonly [Value, ...Value[]], axis: number): Value {
  return values[0].builder.apply("Concat", values, { axis: { kind: "int", value: axis } })[0]!
}

/** Elements `start` to `end` (not included) along one axis; both may count from the end. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const { builder } = x
  return builder.apply("Slice", [x, ...[start, end, axis, 1].map(n => builder.ints([n]))])[0]!
}

/** Cuts `x` into pieces of the given sizes along one axis. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  return x.builder.apply(
    "Split",
    [x, x.builder.ints(sizes)],
    { axis: { kind: "int", value: axis } },
    sizes.length,
  )
}

/** Repeats dimensions of size 1 to fill `shape`. */
export function expand(x: Value, shape: readonly number[]): Value {
  return x.builder.apply("Expand", [x, x.builder.ints(shape)])[0]!
}

/** Rows of `table` by index. */
export function gather(table: Value, indices: Value, axis = 0): Value {
  return table.builder.apply("Gather", [table, indices], { axis: { kind: "int", value: axis } })[0]!
}

/** Puts `before` and `after` elements around every dimension: zeros, or the inner ones mirrored at the outermost. */
export function pad(
  x: Value,
  before: readonly number[],
  after: readonly number[],
  mode: "constant" | "reflect" = "constant",
): Value {
  return x.builder.apply("Pad", [x, x.builder.ints([...before, ...after])], {
    mode: { kind: "string", value: mode },
  })[0]!
}

/** Converts elements to another type. */
export function cast(x: Value, dtype: DType): Value {
  if (x.dtype === dtype) return x
  return x.builder.apply("Cast", [x], { to: { kind: "int", value: dtypeCode(dtype) } })[0]!
}

const reshapeRule: OperatorRule = {
  infer: context => {
    const { dtype, shape } = required(context, 0)
    const target = requiredInts(context, 1)
    const zeroCopies = intAttribute(context, "allowzero", 0) === 0
    const sizes: Dim[] = target.map((size, axis) => {
      if (size < -1) shapeError(context, `${size} is no size.`)
      if (size !== 0 || !zeroCopies) return size
      return shape[axis] ?? shapeError(context, `dimension ${axis} has nothing to copy.`)
    })
    if (target.filter(size => size === -1).length > 1) shapeError(context, "only one size can be left open.")
    const have = factor(shape)
    const want = factor(sizes.filter(size => size !== -1))
    const free = sizes.indexOf(-1)
    const wrong = (): never =>
      shapeError(context, `${formatShape(shape)} can't become ${formatShape(sizes)}.`)
    if (free === -1) {
      if (have.symbols !== want.symbols || have.count !== want.count) wrong()
    } else {
      const count = have.count / want.count
      if (!Number.isInteger(count)) wrong()
      if (have.symbols === want.symbols) sizes[free] = count
      else if (want.symbols === "") sizes[free] = count === 1 ? have.symbols : `${have.symbols}*${count}`
      else wrong()
    }
    return [{ dtype, shape: sizes }]
  },
}

// Sizes such as `batch` and `batch*32` multiplied: the symbols, and the number before them.
function factor(sizes: readonly Dim[]): { readonly symbols: string; readonly count: number } {
  const symbols: string[] = []
  let count = 1
  for (const size of sizes) {
    const [symbol, times = 1] = typeof size === "number" ? ["", size] : (size.split("*") as [string, string?])
    if (symbol !== "") symbols.push(symbol)
    count *= Number(times)
  }
  return { symbols: symbols.sort().join(" "), count }
}

const transposeRule: OperatorRule = {
  infer: context => {
    const { dtype, shape } = required(context, 0)
    const order = intsAttribute(context, "perm", [...shape.keys()].reverse())
    if (order.length !== shape.length || new Set(order).size !== shape.length) {
      shapeError(context, `the order ${formatShape(order)} doesn't name every dimension once.`)
    }
    return [
      {
        dtype,
        shape: order.map(axis => shape[axis] ?? shapeError(context, `there is no dimension ${axis}.`)),
      },
    ]
  },
}

const concatRule: OperatorRule = {
  infer: context => {
    const first = required(context, 0)
    const inputs = context.inputs.map((_, index) => required(context, index))
    const axis = normalizeAxis(context, intAttribute(context, "axis", 0), first.shape.length)
    const fits = inputs.every(
      ({ shape }) =>
        shape.length === first.shape.length &&
        shape.every((size, i) => i === axis || size === first.shape[i]),
    )
    if (!fits) shapeError(context, `sizes may differ only along axis ${axis}.`)
    const total = inputs.reduce((sum, input) => sum + knownSize(context, input, axis), 0)
    return [{ dtype: sameDType(context, [...inputs.keys()]), shape: first.shape.with(axis, total) }]
  },
}

const sliceRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    const starts = requiredInts(context, 1)
    const ends = requiredInts(context, 2)
    const axes = context.inputs[3] ? requiredInts(context, 3) : [...starts.keys()]
    const steps = context.inputs[4] ? requiredInts(context, 4) : starts.map(() => 1)
    if ([ends, axes, steps].some(list => list.length !== starts.length) || steps.includes(0)) {
      shapeError(context, "starts, ends, axes and steps must be equally many, and no step 0.")
    }
    const sizes = [...x.shape]
    for (const [i, axis] of [...normalizeAxes(context, axes, x.shape.length)].entries()) {
      const size = knownSize(context, x, axis)
      const step = steps[i]!
      const within = (n: number, low: number, high: number): number =>
        Math.min(Math.max(n < 0 ? n + size : n, low), high)
      const start = step > 0 ? within(starts[i]!, 0, size) : within(starts[i]!, 0, size - 1)
      const end = step > 0 ? within(ends[i]!, 0, size) : within(ends[i]!, -1, size - 1)
      sizes[axis] = Math.max(0, Math.ceil((end - start) / step))
    }
    return [{ dtype: x.dtype, shape: sizes }]
  },
}

const splitRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    const axis = normalizeAxis(context, intAttribute(context, "axis", 0), x.shape.length)
    const size = knownSize(context, x, axis)
    const count = context.outputCount
    const chunk = Math.ceil(size / count)
    const sizes = context.inputs[1]
      ? requiredInts(context, 1)
      : Array.from({ length: count }, (_, i) => Math.min(chunk, size - i * chunk))
    const fits =
      intAttribute(context, "num_outputs", count) === count &&
      sizes.length === count &&
      sizes.every(piece => piece >= 0) &&
      sizes.reduce((a, b) => a + b, 0) === size
    if (!fits) shapeError(context, `${size} can't be cut into ${count} pieces of ${formatShape(sizes)}.`)
    return sizes.map(piece => ({ dtype: x.dtype, shape: x.shape.with(axis, piece) }))
  },
}

const expandRule: OperatorRule = {
  infer: context => {
    const { dtype, shape } = required(context, 0)
    const target = requiredInts(context, 1)
    const rank = Math.max(shape.length, target.length)
    const sizes = Array.from({ length: rank }, (_, axis): Dim => {
      const have = shape[axis - (rank - shape.length)] ?? 1
      const want = target[axis - (rank - target.length)] ?? 1
      if (have !== 1 && want !== 1 && have !== want) {
        shapeError(context, `can't become ${formatShape(target)}.`)
      }
      return have === 1 ? want : have
    })
    return [{ dtype, shape: sizes }]
  },
}

const gatherRule: OperatorRule = {
  infer: context => {
    const table = required(context, 0)
    const indices = required(context, 1)
    if (indices.dtype !== "int64" && indices.dtype !== "int32") {
      shapeError(context, "indices must be int64 or int32.")
    }
    const axis = normalizeAxis(context, intAttribute(context, "axis", 0), table.shape.length)
    return [{ dtype: table.dtype, shape: table.shape.toSpliced(axis, 1, ...indices.shape) }]
  },
}

const padRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    const pads = requiredInts(context, 1)
    const axes = context.inputs[3]
      ? [...normalizeAxes(context, requiredInts(context, 3), x.shape.length)]
      : [...x.shape.keys()]
    if (pads.length !== 2 * axes.length) {
      shapeError(context, `needs ${2 * axes.length} pads, got ${pads.length}.`)
    }
    const sizes = [...x.shape]
    for (const [i, axis] of axes.entries()) {
      const extra = pads[i]! + pads[i + axes.length]!
      if (extra === 0) continue
      const size = knownSize(context, x, axis) + extra
      sizes[axis] = size < 0 ? shapeError(context, `axis ${axis} can't lose ${-extra}.`) : size
    }
    return [{ dtype: x.dtype, shape: sizes }]
  },
}

const castRule: OperatorRule = {
  infer: context => {
    const { shape } = required(context, 0)
    const to = intAttribute(context, "to", 0)
    return [
      { dtype: dtypeFromCode(to) ?? shapeError(context, `element type ${to} is not supported.`), shape },
    ]
  },
}

function axesRule(
  change: (context: OperatorContext, input: ValueType, axes: readonly number[]) => readonly Dim[],
): OperatorRule {
  return {
    infer: context => {
      const input = required(context, 0)
      return [{ dtype: input.dtype, shape: change(context, input, requiredInts(context, 1)) }]
    },
  }
}

const unsqueezeRule = axesRule((context, { shape }, axes) => {
  const rank = shape.length + axes.length
  const added = normalizeAxes(context, axes, rank)
  const rest = shape[Symbol.iterator]()
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.next().value!))
})

const squeezeRule = axesRule((context, { shape }, axes) => {
  const dropped = normalizeAxes(context, axes, shape.length)
  if ([...dropped].some(axis => shape[axis] !== 1)) shapeError(context, "only dimensions of size 1 can go.")
  return shape.filter((_, axis) => !dropped.has(axis))
})

export const shapeOperators: Readonly<Record<string, OperatorRule>> = {
  Cast: castRule,
  Concat: concatRule,
  Expand: expandRule,
  Gather: gatherRule,
  Pad: padRule,
  Reshape: reshapeRule,
  Slice: sliceRule,
  Split: splitRule,
  Squeeze: squeezeRule,
  Transpose: transposeRule,
  Unsqueeze: unsqueezeRule,
}
