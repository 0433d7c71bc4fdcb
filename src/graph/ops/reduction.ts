import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { intAttribute, normalizeAxes, normalizeAxis, required, requiredInts } from "../operators.ts"

type Reduction = (x: Value, axes: readonly number[], options?: { readonly keepDims?: boolean }) => Value

function reduction(op: "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceSumSquare"): Reduction {
  return (x, axes, { keepDims = true } = {}) =>
    x.builder.apply(op, [x, x.builder.ints(axes)], { keepdims: { kind: "int", value: keepDims ? 1 : 0 } })[0]!
}

/** The largest element. */
export const reduceMax: Reduction = reduction("ReduceMax")
export const reduceMean: Reduction = reduction("ReduceMean")
export const reduceSum: Reduction = reduction("ReduceSum")
export const reduceSumSquare: Reduction = reduction("ReduceSumSquare")

/** Softmax over the last axis. */
export function softmax(x: Value): Value {
  return x.builder.apply("Softmax", [x], { axis: { kind: "int", value: -1 } })[0]!
}

// From opset 18 on every reduction takes its axes as an input; without them it reduces everything or nothing.
const reductionRule: OperatorRule = {
  infer: context => {
    const { dtype, shape } = required(context, 0)
    const keepDims = intAttribute(context, "keepdims", 1) === 1
    const given = context.inputs[1] ? requiredInts(context, 1) : []
    const axes = normalizeAxes(context, given, shape.length)
    const all = axes.size === 0 && intAttribute(context, "noop_with_empty_axes", 0) === 0
    const reduced = (axis: number): boolean => all || axes.has(axis)
    return [
      {
        dtype,
        shape: keepDims
          ? shape.map((size, axis) => (reduced(axis) ? 1 : size))
          : shape.filter((_, axis) => !reduced(axis)),
      },
    ]
  },
}

const softmaxRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    normalizeAxis(context, intAttribute(context, "axis", -1), x.shape.length)
    return [x]
  },
}

export const reductionOperators: Readonly<Record<string, OperatorRule>> = {
  ...Object.fromEntries(
    ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare"].map(op => [op, reductionRule]),
  ),
  Softmax: softmaxRule,
}
