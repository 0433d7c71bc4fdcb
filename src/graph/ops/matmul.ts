import type { Value } from "../builder.ts"
import type { OperatorRule } from "../operators.ts"
import { intAttribute, required, requiredRank, sameDType, shapeError } from "../operators.ts"
import { formatShape } from "../types.ts"
import { broadcastShapes } from "./elementwise.ts"

/** Matrix product over the last two dimensions; the others broadcast. */
export function matmul(a: Value, b: Value): Value {
  return a.builder.apply("MatMul", [a, b])[0]!
}

/** x·weightᵀ + bias with `x` [N, I], `weight` [O, I], `bias` [O]: PyTorch's Linear. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
  return x.builder.apply("Gemm", bias ? [x, weight, bias] : [x, weight], {
    alpha: { kind: "float", value: 1 },
    beta: { kind: "float", value: 1 },
    transA: { kind: "int", value: 0 },
    transB: { kind: "int", value: 1 },
  })[0]!
}

const matMulRule: OperatorRule = {
  infer: context => {
    const a = required(context, 0)
    const b = required(context, 1)
    if (a.shape.length < 2 || b.shape.length < 2) {
      shapeError(context, "both inputs need at least 2 dimensions.")
    }
    if (a.shape.at(-1) !== b.shape.at(-2)) shapeError(context, "the inner sizes differ.")
    const batch = broadcastShapes(context, [a.shape.slice(0, -2), b.shape.slice(0, -2)])
    return [{ dtype: sameDType(context, [0, 1]), shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!] }]
  },
}

const gemmRule: OperatorRule = {
  infer: context => {
    const a = requiredRank(context, 0, 2)
    const b = requiredRank(context, 1, 2)
    const [rows, inner] = intAttribute(context, "transA", 0) ? a.shape.toReversed() : a.shape
    const [innerB, columns] = intAttribute(context, "transB", 0) ? b.shape.toReversed() : b.shape
    if (inner !== innerB) shapeError(context, "the inner sizes differ.")
    const shape = [rows!, columns!]
    const bias = context.inputs[2]
    if (bias && formatShape(broadcastShapes(context, [shape, bias.shape])) !== formatShape(shape)) {
      shapeError(context, `the bias is larger than the product ${formatShape(shape)}.`)
    }
    return [{ dtype: sameDType(context, [0, 1, 2]), shape }]
  },
}

export const matmulOperators: Readonly<Record<string, OperatorRule>> = { MatMul: matMulRule, Gemm: gemmRule }
