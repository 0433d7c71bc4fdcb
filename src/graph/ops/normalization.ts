import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { required, sameDType, shapeError } from "../operators.ts"

/** Brings every channel of `x` [N, C, …] to mean `bias` and deviation `scale`, both [C]. */
export function instanceNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  return x.builder.apply("InstanceNormalization", [x, scale, bias], {
    epsilon: { kind: "float", value: epsilon },
  })[0]!
}

const instanceNormalizationRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    if (x.shape.length < 3) shapeError(context, "the input needs at least 3 dimensions.")
    for (const index of [1, 2]) {
      const { shape } = required(context, index)
      if (shape.length !== 1 || shape[0] !== x.shape[1]) {
        shapeError(context, `input ${index} must have one number per channel.`)
      }
    }
    return [{ dtype: sameDType(context, [0, 1, 2]), shape: x.shape }]
  },
}

export const normalizationOperators: Readonly<Record<string, OperatorRule>> = {
  InstanceNormalization: instanceNormalizationRule,
}
