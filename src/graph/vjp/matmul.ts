import type { Value } from "../builder.ts"
import { intAttribute, requiredRank } from "../operators.ts"
import { mul } from "../ops/elementwise.ts"
import { matmul } from "../ops/matmul.ts"
import { reshape, transpose } from "../ops/shape.ts"
import type { GradientRule } from "./rule.ts"
import { floatAttribute } from "./rule.ts"
import { numberLike, unbroadcast } from "./values.ts"

// One rule per operator of ops/matmul.ts.

// Y = A·B gives dA = dY·Bᵀ and dB = Aᵀ·dY.
const matMulRule: GradientRule = context => {
  const { cotangent: dy } = context
  return [
    () => {
      const [a, b] = [context.input(0), context.input(1)]
      return unbroadcast(matmul(dy, swapped(b)), a.shape)
    },
    () => {
      const [a, b] = [context.input(0), context.input(1)]
      // A weight that many rows share: one product sums over all of them.
      if (b.shape.length === 2 && a.shape.length > 2)
        return product(rows(a), rows(dy), { transA: 1, transB: 0 })
      return unbroadcast(matmul(swapped(a), dy), b.shape)
    },
  ]
}

// Y = α·A·B + β·C, where A and B may be given transposed.
const gemmRule: GradientRule = context => {
  const { cotangent: dy } = context
  requiredRank(context, 0, 2)
  const alpha = floatAttribute(context, "alpha", 1)
  const beta = floatAttribute(context, "beta", 1)
  const transA = intAttribute(context, "transA", 0) ? 1 : 0
  const transB = intAttribute(context, "transB", 0) ? 1 : 0
  return [
    () =>
      transA
        ? product(context.input(1), dy, { alpha, transA: transB, transB: 1 })
        : product(dy, context.input(1), { alpha, transA: 0, transB: 1 - transB }),
    () =>
      transB
        ? product(dy, context.input(0), { alpha, transA: 1, transB: transA })
        : product(context.input(0), dy, { alpha, transA: 1 - transA, transB: 0 }),
    () => {
      const gradient = unbroadcast(dy, context.input(2).shape)
      return beta === 1 ? gradient : mul(gradient, numberLike(gradient, beta))
    },
  ]
}

interface ProductOptions {
  readonly alpha?: number
  readonly transA: number
  readonly transB: number
}

function product(a: Value, b: Value, { alpha = 1, transA, transB }: ProductOptions): Value {
  return a.builder.apply("Gemm", [a, b], {
    alpha: { kind: "float", value: alpha },
    beta: { kind: "float", value: 1 },
    transA: { kind: "int", value: transA },
    transB: { kind: "int", value: transB },
  })[0]!
}

/** The last two dimensions exchanged. */
function swapped(x: Value): Value {
  const axes = [...x.shape.keys()]
  const [row, column] = [axes.at(-2)!, axes.at(-1)!]
  return transpose(x, [...axes.slice(0, -2), column, row])
}

/** All dimensions but the last as one. */
function rows(x: Value): Value {
  return reshape(x, [-1, x.shape.at(-1) as number])
}

export const matmulGradients: Readonly<Record<string, GradientRule>> = { MatMul: matMulRule, Gemm: gemmRule }
