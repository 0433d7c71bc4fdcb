import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { intsAttribute, requiredRank, shapeError } from "../operators.ts"

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
    const { dtype, shape } = requiredRank(context, 0, 4)
    const kernel = intsAttribute(context, "kernel_shape", [])
    const strides = intsAttribute(context, "strides", [1, 1])
    const pads = intsAttribute(context, "pads", [0, 0, 0, 0])
    const size = [0, 1].map(axis => {
      const length = shape[axis + 2]
      if (typeof length !== "number") shapeError(context, "height and width must be known.")
      return Math.floor((length + pads[axis]! + pads[axis + 2]! - kernel[axis]!) / strides[axis]! + 1)
    })
    return [{ dtype, shape: [...shape.slice(0, 2), ...size] }]
  },
}

export const poolingOperators: Readonly<Record<string, OperatorRule>> = {
  AveragePool: poolRule,
  MaxPool: poolRule,
}
