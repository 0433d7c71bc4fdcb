import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { required, sameDType, shapeError } from "../operators.ts"
import { mul } from "./elementwise.ts"

// WebGPU's kernel is compiled with the epsilon of the first such node of all sessions, and reused for every other epsilon
// (ONNX Runtime 1.30). So there is only this one: that of most models here.
const commonEpsilon = 1e-6

/**
 * Brings every channel of `x` [N, C, …] to mean `bias` and deviation `scale`, both [C]. With another epsilon ε than the
 * common one, ε₀, it is a·x that is normalised, a² = ε₀/ε: the same, since (a·x − a·μ)/√(a²·v + ε₀) = (x − μ)/√(v + ε).
 */
export function instanceNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  const isCommon = epsilon === commonEpsilon || epsilon === 0
  const scaled = isCommon ? x : mul(x, Math.sqrt(commonEpsilon / epsilon))
  return x.builder.apply("InstanceNormalization", [scaled, scale, bias], {
    epsilon: { kind: "float", value: epsilon === 0 ? 0 : commonEpsilon },
  })[0]!
}

/**
 * (x − mean)/√(variance + ε)·scale + bias per channel, with all four vectors [C] given: BatchNormalization as it is
 * used at inference. `x` is [N, C, …].
 */
export function affineNormalization(
  x: Value,
  vectors: { readonly scale: Value; readonly bias: Value; readonly mean: Value; readonly variance: Value },
  epsilon: number,
): Value {
  const { scale, bias, mean, variance } = vectors
  return x.builder.apply("BatchNormalization", [x, scale, bias, mean, variance], {
    epsilon: { kind: "float", value: epsilon },
    momentum: { kind: "float", value: 0.9 },
    training_mode: { kind: "int", value: 0 },
  })[0]!
}

// Both operators take an image and vectors with one number per channel.
const perChannelRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    if (x.shape.length < 3) shapeError(context, "the input needs at least 3 dimensions.")
    const vectors = context.inputs.slice(1).map((_, i) => required(context, i + 1))
    if (vectors.some(({ shape }) => shape.length !== 1 || shape[0] !== x.shape[1])) {
      shapeError(context, "every further input must have one number per channel.")
    }
    return [{ dtype: sameDType(context, [...context.inputs.keys()]), shape: x.shape }]
  },
}

export const normalizationOperators: Readonly<Record<string, OperatorRule>> = {
  BatchNormalization: perChannelRule,
  InstanceNormalization: perChannelRule,
}
