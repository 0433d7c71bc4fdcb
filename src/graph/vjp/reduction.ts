import type { Value } from "../builder.ts"
import { intAttribute, normalizeAxes, normalizeAxis, requiredInts } from "../operators.ts"
import { div, mul, sub } from "../ops/elementwise.ts"
import { reduceSum } from "../ops/reduction.ts"
import { cast, reshape } from "../ops/shape.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { broadcastTo, compare, filledLike, knownCount, numberLike } from "./values.ts"

// One rule per operator of ops/reduction.ts.

/** A reduction's rule, from x and dy with the reduced dimensions kept as 1. */
function reduction(
  gradient: (x: Value, dy: Value, axes: readonly number[], context: GradientContext) => Value,
): GradientRule {
  return context => [
    () => {
      const x = context.input(0)
      const axes = reducedAxes(context)
      return gradient(x, kept(context.cotangent, x, axes), axes, context)
    },
  ]
}

const meanRule = reduction((x, dy, axes) => {
  const count = knownCount(axes.map(axis => x.shape[axis]!))
  const mean = count === undefined ? div(dy, countElements(x, axes)) : mul(dy, numberLike(dy, 1 / count))
  return broadcastTo(mean, x)
})

// Places that share the extreme value share the gradient equally, as in PyTorch's amax and amin.
const extremeRule = reduction((x, dy, axes, context) => {
  if (axes.length === 0) return dy
  const chosen = cast(compare("Equal", x, kept(context.output(0), x, axes)), x.dtype)
  return mul(chosen, div(dy, reduceSum(chosen, axes)))
})

const softmaxRule: GradientRule = context => {
  const { cotangent: dy } = context
  const y = context.output(0)
  const axis = normalizeAxis(context, intAttribute(context, "axis", -1), y.shape.length)
  return [() => mul(y, sub(dy, reduceSum(mul(dy, y), [axis])))]
}

function reducedAxes(context: GradientContext): readonly number[] {
  const { shape } = context.input(0)
  const axes = context.has(1) ? [...normalizeAxes(context, requiredInts(context, 1), shape.length)] : []
  const all = axes.length === 0 && intAttribute(context, "noop_with_empty_axes", 0) === 0
  return all ? [...shape.keys()] : axes
}

/** A reduced value with the reduced dimensions of `x` as 1. */
function kept(reduced: Value, x: Value, axes: readonly number[]): Value {
  const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  return reduced.shape.length === shape.length ? reduced : reshape(reduced, shape)
}

// How many elements of `x` one reduced element stands for, where that depends on the batch.
function countElements(x: Value, axes: readonly number[]): Value {
  const isFixed = (axis: number): boolean => typeof x.shape[axis] === "number"
  const fixed = [...x.shape.keys()].filter(isFixed)
  const corner = [fixed.map(() => 0), fixed.map(() => 1), fixed].map(n => x.builder.ints(n))
  const edge = fixed.length === 0 ? x : x.builder.apply("Slice", [x, ...corner])[0]!
  const count = knownCount(axes.filter(isFixed).map(axis => x.shape[axis]!))!
  return reduceSum(
    filledLike(edge, count),
    axes.filter(axis => !isFixed(axis)),
  )
}

export const reductionGradients: Readonly<Record<string, GradientRule>> = {
  ReduceMax: extremeRule,
  ReduceMean: meanRule,
  ReduceMin: extremeRule,
  ReduceSum: reduction((x, dy) => broadcastTo(dy, x)),
  ReduceSumSquare: reduction((x, dy) => mul(mul(x, numberLike(x, 2)), dy)),
  Softmax: softmaxRule,
}
