import type { Value } from "../builder.ts"
import { add, cos, div, exp, log, mul, neg, sigmoid, sin, sub } from "../ops/elementwise.ts"
import { cast } from "../ops/shape.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { flat, floatAttribute } from "./rule.ts"
import { compare, isFilledWith, numberLike, unbroadcast, where } from "./values.ts"

// One rule per operator of ops/elementwise.ts.

/** The rule of y = f(x), from x, y and dy. */
function unary(gradient: (x: Value, y: Value, dy: Value, context: GradientContext) => Value): GradientRule {
  return context => [() => gradient(context.input(0), context.output(0), context.cotangent, context)]
}

/** A rule whose gradients have the shape of the output, and are summed over what broadcasting repeated. */
function broadcasting(gradients: (context: GradientContext) => readonly (() => Value)[]): GradientRule {
  return context =>
    gradients(context).map((gradient, i) => () => unbroadcast(gradient(), context.input(i).shape))
}

const absRule = unary((x, _, dy) => {
  const zero = numberLike(x, 0)
  return where(compare("Greater", x, zero), dy, where(compare("Less", x, zero), neg(dy), zero))
})

const eluRule = unary((x, y, dy, context) => {
  const alpha = numberLike(x, floatAttribute(context, "alpha", 1))
  return where(compare("Greater", x, numberLike(x, 0)), dy, mul(dy, add(y, alpha)))
})

const leakyReluRule = unary((x, _, dy, context) => {
  const slope = numberLike(x, floatAttribute(context, "alpha", 0.01))
  return where(compare("Greater", x, numberLike(x, 0)), dy, mul(dy, slope))
})

// d erf(x)/dx = 2/√π·exp(−x²)
const erfRule = unary((x, _, dy) => mul(dy, mul(exp(neg(mul(x, x))), numberLike(x, 2 / Math.sqrt(Math.PI)))))

const subRule = broadcasting(context => [
  () => context.cotangent,
  () => neg(unbroadcast(context.cotangent, context.input(1).shape)),
])

const productRule = broadcasting(context => [
  () => mul(context.cotangent, context.input(1)),
  () => mul(context.cotangent, context.input(0)),
])

// x·sigmoid(x) as a whole: with s = sigmoid(x), dy/dx = s + y·(1 − s).
const mulRule: GradientRule = context => {
  const sigmoidIndex = [0, 1].find(index => isSigmoidOfOther(context, index))
  if (sigmoidIndex === undefined) return productRule(context)
  const gradient = (): Value => {
    const s = context.input(sigmoidIndex)
    const y = context.output(0)
    return mul(context.cotangent, add(mul(y, sub(numberLike(s, 1), s)), s))
  }
  return sigmoidIndex === 1 ? [gradient] : [undefined, gradient]
}

function isSigmoidOfOther(context: GradientContext, index: number): boolean {
  const producer = context.producer(index)
  return producer?.op === "Sigmoid" && producer.inputs[0] === context.node.inputs[1 - index]
}

const divRule = broadcasting(context => [
  () => div(context.cotangent, context.input(1)),
  () => neg(div(mul(context.cotangent, context.output(0)), context.input(1))),
])

const powRule = broadcasting(context => [() => baseGradient(context), () => exponentGradient(context)])

// b·a^(b−1), and 0 for b = 0 even where a is 0.
function baseGradient(context: GradientContext): Value {
  const { cotangent: dy } = context
  const [a, b] = [context.input(0), cast(context.input(1), context.input(0).dtype)]
  if (isFilledWith(context.constant(1), 2)) return mul(dy, mul(a, numberLike(a, 2)))
  const [zero, one] = [numberLike(a, 0), numberLike(a, 1)]
  const constant = compare("Equal", b, zero)
  const reduced = where(constant, one, sub(b, one))
  return mul(dy, mul(b, a.builder.apply("Pow", [a, reduced])[0]!))
}

// aᵇ·ln a, and 0 where a is 0.
function exponentGradient(context: GradientContext): Value {
  const [a, y] = [context.input(0), context.output(0)]
  const [zero, one] = [numberLike(a, 0), numberLike(a, 1)]
  return mul(context.cotangent, mul(y, log(where(compare("Equal", a, zero), one, a))))
}

// Operands that share the extreme value share the gradient equally, as in PyTorch's maximum and minimum.
const extremeRule = broadcasting(context => {
  const y = context.output(0)
  const chosen = (index: number): Value => cast(compare("Equal", context.input(index), y), y.dtype)
  return context.inputs.map((_, index) => () => {
    const count = context.inputs.map((_, i) => chosen(i)).reduce((a, b) => add(a, b))
    return mul(context.cotangent, div(chosen(index), count))
  })
})

const whereRule: GradientRule = context => {
  const { cotangent: dy } = context
  const zero = (): Value => numberLike(dy, 0)
  return [
    undefined,
    () => unbroadcast(where(context.input(0), dy, zero()), context.input(1).shape),
    () => unbroadcast(where(context.input(0), zero(), dy), context.input(2).shape),
  ]
}

const clipRule: GradientRule = context => {
  const { cotangent: dy } = context
  const x = context.input(0)
  const zero = numberLike(dy, 0)
  const below = (): Value => compare("Less", x, context.input(1))
  const above = (): Value => compare("Greater", x, context.input(2))
  return [
    () => {
      const kept = context.has(1) ? where(below(), zero, dy) : dy
      return context.has(2) ? where(above(), zero, kept) : kept
    },
    () => unbroadcast(where(below(), dy, zero), context.input(1).shape),
    () => unbroadcast(where(above(), dy, zero), context.input(2).shape),
  ]
}

export const elementwiseGradients: Readonly<Record<string, GradientRule>> = {
  Abs: absRule,
  Add: broadcasting(({ cotangent }) => [() => cotangent, () => cotangent]),
  And: flat,
  Ceil: flat,
  Clip: clipRule,
  Cos: unary((x, _, dy) => neg(mul(dy, sin(x)))),
  Div: divRule,
  Elu: eluRule,
  Equal: flat,
  Erf: erfRule,
  Exp: unary((_, y, dy) => mul(dy, y)),
  Floor: flat,
  Greater: flat,
  GreaterOrEqual: flat,
  Identity: unary((_x, _y, dy) => dy),
  LeakyRelu: leakyReluRule,
  Less: flat,
  LessOrEqual: flat,
  Log: unary((x, _, dy) => div(dy, x)),
  Max: extremeRule,
  Min: extremeRule,
  Mul: mulRule,
  Neg: unary((_x, _y, dy) => neg(dy)),
  Not: flat,
  Or: flat,
  Pow: powRule,
  Reciprocal: unary((_, y, dy) => neg(mul(dy, mul(y, y)))),
  Relu: unary((_, y, dy) => where(compare("Greater", y, numberLike(y, 0)), dy, numberLike(dy, 0))),
  Sigmoid: unary((_, y, dy) => mul(dy, mul(y, sub(numberLike(y, 1), y)))),
  Sign: flat,
  Sin: unary((x, _, dy) => mul(dy, cos(x))),
  Softplus: unary((x, _, dy) => mul(dy, sigmoid(x))),
  Sqrt: unary((_, y, dy) => div(mul(dy, numberLike(y, 0.5)), y)),
  Sub: subRule,
  Tanh: unary((_, y, dy) => mul(dy, sub(numberLike(y, 1), mul(y, y)))),
  Where: whereRule,
}
