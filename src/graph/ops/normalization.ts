import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { required, sameDType, shapeError } from "../operators.ts"

/** Brings every channel of `x` [N, C, …] to mean `bias` and deviation `scale`, both [C]. */
export function instanceNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  return x.builder.apply("InstanceNormalization", [x, scale, bias], {
    epsilon: { kind: "float", value: epsilon },
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
