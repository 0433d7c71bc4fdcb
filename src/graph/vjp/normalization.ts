import type { Value } from "../builder.ts"
import { intAttribute, shapeError } from "../operators.ts"
import { add, div, mul, neg, sqrt, sub } from "../ops/elementwise.ts"
import { reduceMean, reduceSum } from "../ops/reduction.ts"
import { reshape } from "../ops/shape.ts"
import type { GradientContext, GradientRule } from "./rule.ts"
import { floatAttribute } from "./rule.ts"
import { isFilledWith, numberLike, reciprocal } from "./values.ts"

// One rule per operator of ops/normalization.ts. Inputs are [N, C, …], all vectors [C].

// y = scale·n + bias with n = (x − mean)/√(variance + ε) over every channel of every picture:
// dx = (d − mean(d) − n·mean(d·n))/√(variance + ε) with d = scale·dy.
const instanceNormalizationRule: GradientRule = context => {
  const { cotangent: dy } = context
  const axes = pixelAxes(dy)
  const { normalized, inverse } = normalizedInput(context, axes)
  return [
    () => {
      const scaled = isFilledWith(context.constant(1), 1) ? dy : mul(dy, perChannel(context.input(1), dy))
      const slope = mul(reduceMean(mul(scaled, normalized), axes), inverse)
      const level = mul(reduceMean(scaled, axes), inverse)
      return sub(sub(mul(scaled, inverse), mul(normalized, slope)), level)
    },
    () => channelSums(mul(dy, normalized)),
    () => channelSums(dy),
  ]
}

// n, and 1/√(variance + ε) per channel of a picture.
function normalizedInput(
  context: GradientContext,
  axes: readonly number[],
): { readonly normalized: Value; readonly inverse: Value } {
  const x = context.input(0)
  const epsilon = numberLike(x, floatAttribute(context, "epsilon", 1e-5))
  if (isFilledWith(context.constant(1), 1) && isFilledWith(context.constant(2), 0)) {
    // The output is n. With c = mean(x·n) = v/√(v + ε), the variance is v = (c² + c·√(c² + 4ε))/2.
    const normalized = context.output(0)
    const c = reduceMean(mul(x, normalized), axes)
    const square = mul(c, c)
    const root = sqrt(add(square, mul(epsilon, numberLike(x, 4))))
    const variance = mul(add(square, mul(c, root)), numberLike(x, 0.5))
    return { normalized, inverse: reciprocal(sqrt(add(variance, epsilon))) }
  }
  const centered = sub(x, reduceMean(x, axes))
  const inverse = reciprocal(sqrt(add(reduceMean(mul(centered, centered), axes), epsilon)))
  return { normalized: mul(centered, inverse), inverse }
}

// y = (x − mean)·factor + bias with factor = scale/√(variance + ε), all four vectors given.
const batchNormalizationRule: GradientRule = context => {
  const { cotangent: dy } = context
  if (intAttribute(context, "training_mode", 0) !== 0) {
    shapeError(context, "training_mode has no gradient; normalise with explicit operators.")
  }
  const x = context.input(0)
  const epsilon = numberLike(x, floatAttribute(context, "epsilon", 1e-5))
  const deviation = sqrt(add(context.input(4), epsilon))
  const factor = div(context.input(1), deviation)
  const total = channelSums(dy)
  // Σ dy·(x − mean)/√(variance + ε)
  const weighted = div(channelSums(mul(dy, sub(x, perChannel(context.input(3), x)))), deviation)
  return [
    () => mul(dy, perChannel(factor, dy)),
    () => weighted,
    () => total,
    () => neg(mul(factor, total)),
    () => mul(div(mul(factor, weighted), deviation), numberLike(x, -0.5)),
  ]
}

function channelSums(x: Value): Value {
  return reduceSum(x, [0, ...pixelAxes(x)], { keepDims: false })
}

function pixelAxes(x: Value): readonly number[] {
  return [...x.shape.keys()].slice(2)
}

/** A vector [C] in a shape that goes with [N, C, …]. */
function perChannel(vector: Value, x: Value): Value {
  return reshape(vector, [vector.shape[0]!, ...pixelAxes(x).map(() => 1)])
}

export const normalizationGradients: Readonly<Record<string, GradientRule>> = {
  BatchNormalization: batchNormalizationRule,
  InstanceNormalization: instanceNormalizationRule,
}
