import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { required, shapeError } from "../operators.ts"

/** Repeats every pixel of `x` [N, C, H, W] `factor` times in both directions. */
export function nearestUpsample(x: Value, factor: number): Value {
  const scales = x.builder.constant("float32", [4], Float32Array.of(1, 1, factor, factor))
  return x.builder.apply("Resize", [x, undefined, scales], {
    mode: { kind: "string", value: "nearest" },
    // This pair of modes has a kernel for blocked layouts in ONNX Runtime; for whole factors all modes agree.
    coordinate_transformation_mode: { kind: "string", value: "asymmetric" },
    nearest_mode: { kind: "string", value: "floor" },
  })[0]!
}

const resizeRule: OperatorRule = {
  infer: context => {
    const { dtype, shape } = required(context, 0)
    const scales = context.constant(2)
    if (context.inputs[3] || context.attributes.axes || scales?.data.length !== shape.length) {
      shapeError(context, "input 2 must be a constant with one scale per dimension.")
    }
    const sizes = shape.map((size, axis) => {
      const scale = Number(scales.data[axis])
      if (!(scale > 0 && scale < Number.MAX_SAFE_INTEGER)) shapeError(context, `${scale} is no scale.`)
      if (typeof size === "number") return Math.floor(size * scale)
      return scale === 1 ? size : shapeError(context, `the size of axis ${axis} must be known.`)
    })
    return [{ dtype, shape: sizes }]
  },
}

export const resizeOperators: Readonly<Record<string, OperatorRule>> = { Resize: resizeRule }
