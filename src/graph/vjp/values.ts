import { type DType, elementCount, type Tensor, type TensorData } from "../../tensor.ts"
import { float32ToFloat16 } from "../../weights/half.ts"
import type { Value } from "../builder.ts"
import { GraphError } from "../errors.ts"
import { reduceSum } from "../ops/reduction.ts"
import { concat, expand, reshape } from "../ops/shape.ts"
import type { Dim } from "../types.ts"

// What the gradients' rules compute with, beside the functions of `ops`.

/** `numbers` as a constant of the element type of `x`. */
export function constantLike(x: Value, shape: readonly number[], numbers: readonly number[]): Value {
  const values = Float32Array.from(numbers)
  switch (x.dtype) {
    case "float32":
      return x.builder.constant("float32", shape, values)
    case "float64":
      return x.builder.constant("float64", shape, Float64Array.from(numbers))
    case "float16":
      return x.builder.constant("float16", shape, float32ToFloat16(values))
    default:
      throw new GraphError(
        "GRAPH_SHAPE",
        `"${x.name}" is ${x.dtype}; float32, float64 and float16 have gradients.`,
      )
  }
}

/** A scalar of the element type of `x`. */
export function numberLike(x: Value, number: number): Value {
  return constantLike(x, [], [number])
}

/** 1/x. */
export function reciprocal(x: Value): Value {
  return x.builder.apply("Reciprocal", [x])[0]!
}

/** `condition` ? `a` : `b`, element by element. */
export function where(condition: Value, a: Value, b: Value): Value {
  return condition.builder.apply("Where", [condition, a, b])[0]!
}

/** One of the comparisons, as bool. */
export function compare(op: "Equal" | "Greater" | "Less", a: Value, b: Value): Value {
  return a.builder.apply(op, [a, b])[0]!
}

/** Sums `gradient` over the dimensions that broadcasting added to a value of the given shape. */
export function unbroadcast(gradient: Value, shape: readonly Dim[]): Value {
  const added = gradient.shape.length - shape.length
  const axes = gradient.shape.flatMap((size, axis) =>
    axis < added || (shape[axis - added] === 1 && size !== 1) ? axis : [],
  )
  const summed = axes.length === 0 ? gradient : reduceSum(gradient, axes)
  return added === 0 ? summed : reshape(summed, shape)
}

/** Repeats `x` to the shape of `like`, whose rank it has. */
export function broadcastTo(x: Value, like: Value): Value {
  const grows = like.shape.map((size, axis) => size !== x.shape[axis])
  if (!grows.includes(true)) return x
  if (like.shape.some((size, axis) => grows[axis] && typeof size !== "number"))
    return where(everywhere(like), x, x)
  return expand(
    x,
    like.shape.map((size, axis) => (grows[axis] ? (size as number) : 1)),
  )
}

/** `number` everywhere in the shape of `like`. */
export function filledLike(like: Value, number: number): Value {
  const value = numberLike(like, number)
  const sizes = like.shape.filter(size => typeof size === "number")
  if (sizes.length === like.shape.length) return expand(value, sizes)
  return where(everywhere(like), value, value)
}

// A condition in the shape of `like`, by which sizes that only the run knows reach other values. Its elements may be
// false (at a NaN), so both branches must be the same.
function everywhere(like: Value): Value {
  return compare("Equal", like, like)
}

// Some web kernels give wrong numbers for many inputs.
const mostJoined = 8

/** Joins any number of values along one axis, a few at a time. */
export function concatMany(values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0]!
  const parts: Value[] = []
  for (let start = 0; start < values.length; start += mostJoined) {
    const part = values.slice(start, start + mostJoined) as [Value, ...Value[]]
    parts.push(part.length === 1 ? part[0] : concat(part, axis))
  }
  return concatMany(parts, axis)
}

/** Whether a tensor is known and holds `number` everywhere. */
export function isFilledWith(tensor: Tensor | undefined, number: number): boolean {
  if (!tensor || !isFloat(tensor.dtype) || tensor.dtype === "float16") return false
  return (tensor.data as TensorData["float32"]).every(value => value === number)
}

/** Whether values of this type have gradients. */
export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16"
}

/** The number of elements of a shape without symbolic sizes. */
export function knownCount(shape: readonly Dim[]): number | undefined {
  return shape.every(size => typeof size === "number") ? elementCount(shape) : undefined
}
