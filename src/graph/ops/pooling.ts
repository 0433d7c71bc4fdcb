import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { intAttribute, intsAttribute, requiredRank, shapeError } from "../operators.ts"
import { imageWindows, windowCount } from "./windows.ts"

/** Means of the `size` × `size` squares that tile `x` [N, C, H, W]. */
export function averagePool(x: Value, size: number): Value {
  return x.builder.apply("AveragePool", [x], {
    kernel_shape: { kind: "ints", value: [size, size] },
    strides: { kind: "ints", value: [size, size] },
    pads: { kind: "ints", value: [0, 0, 0, 0] },
    ceil_mode: { kind: "int", value: 0 },
    count_include_pad: { kind: "int", value: 0 },
  })[0]!
}

const poolRule: OperatorRule = {
  infer: context => {
    const x = requiredRank(context, 0, 4)
    if (intAttribute(context, "ceil_mode", 0) !== 0) shapeError(context, "ceil_mode is not supported.")
    const windows = imageWindows(context, x, intsAttribute(context, "kernel_shape", []))
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...windows.map(w => windowCount(context, w))] }]
  },
}

export const poolingOperators: Readonly<Record<string, OperatorRule>> = {
  AveragePool: poolRule,
  MaxPool: poolRule,
}
