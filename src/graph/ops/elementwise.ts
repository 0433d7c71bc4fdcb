import type { DType } from "../../tensor.ts"
import type { Value } from "../builder.ts"
import type { OperatorContext, OperatorRule } from "../operators.ts"
import { required, sameDType, shapeError } from "../operators.ts"
import type { Dim, ValueType } from "../types.ts"
import { formatShape } from "../types.ts"

/** The common shape of several shapes under NumPy's broadcasting; a symbolic size fits itself and 1. */
export function broadcastShapes(
  context: OperatorContext,
  shapes: readonly (readonly Dim[])[],
): readonly Dim[] {
  const rank = Math.max(...shapes.map(shape => shape.length))
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map(shape => shape[axis - (rank - shape.length)] ?? 1).filter(size => size !== 1)
    const [first = 1] = sizes
    if (sizes.some(size => size !== first)) {
      shapeError(context, `shapes ${shapes.map(formatShape).join(" and ")} don't broadcast.`)
    }
    return first
  })
}

const unaryRule: OperatorRule = { infer: context => [required(context, 0)] }

/** An operator on equal types with broadcasting, from operands and to a result of the given types where they are. */
function broadcastRule({ from, to }: { readonly from?: DType; readonly to?: DType } = {}): OperatorRule {
  return {
    infer: context => {
      const inputs = context.inputs.map((_, index) => required(context, index))
      const dtype = sameDType(context, [...inputs.keys()])
      if (from && dtype !== from) shapeError(context, `the operands must be ${from}.`)
      return [{ dtype: to ?? dtype, shape: broadcastShapes(context, inputs.map(shapeOf)) }]
    },
  }
}

const notRule: OperatorRule = {
  infer: context => {
    const x = required(context, 0)
    return x.dtype === "bool" ? [x] : shapeError(context, "the operand must be bool.")
  },
}

const whereRule: OperatorRule = {
  infer: context => {
    const inputs = [0, 1, 2].map(index => required(context, index))
    if (inputs[0]!.dtype !== "bool") shapeError(context, "the condition must be bool.")
    return [{ dtype: sameDType(context, [1, 2]), shape: broadcastShapes(context, inputs.map(shapeOf)) }]
  },
}

function shapeOf(type: ValueType): readonly Dim[] {
  return type.shape
}

const unaryNames = [
  "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Identity", "Log", "Neg", "Reciprocal",
  "Relu", "Elu", "LeakyRelu", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Tanh",
] as const // biome-ignore format: one list

export const elementwiseOperators: Readonly<Record<string, OperatorRule>> = {
  ...Object.fromEntries(unaryNames.map(name => [name, unaryRule])),
  ...Object.fromEntries(
    ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"].map(name => [name, broadcastRule()]),
  ),
  ...Object.fromEntries(
    ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map(name => [
      name,
      broadcastRule({ to: "bool" }),
    ]),
  ),
  And: broadcastRule({ from: "bool" }),
  Or: broadcastRule({ from: "bool" }),
  Not: notRule,
  Clip: unaryRule,
  Where: whereRule,
}

/** A value, or a number that stands for a float32 scalar. */
export type Operand = Value | number

type Unary = (x: Value) => Value
type Binary = {
  (a: Value, b: Operand): Value
  (a: Operand, b: Value): Value
}

function unary(op: (typeof unaryNames)[number]): Unary {
  return x => x.builder.apply(op, [x])[0]!
}

function binary(op: "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min"): Binary {
  return (a: Operand, b: Operand) => {
    const { builder } = typeof a === "number" ? (b as Value) : a
    const [left, right] = [a, b].map(x => (typeof x === "number" ? builder.scalar(x) : x))
    return builder.apply(op, [left, right])[0]!
  }
}

export const cos: Unary = unary("Cos")
export const elu: Unary = unary("Elu")
export const erf: Unary = unary("Erf")
export const exp: Unary = unary("Exp")
export const floor: Unary = unary("Floor")
export const log: Unary = unary("Log")
export const neg: Unary = unary("Neg")
export const relu: Unary = unary("Relu")
export const sigmoid: Unary = unary("Sigmoid")
export const sin: Unary = unary("Sin")
export const softplus: Unary = unary("Softplus")
export const sqrt: Unary = unary("Sqrt")
export const tanh: Unary = unary("Tanh")

export const add: Binary = binary("Add")
export const sub: Binary = binary("Sub")
export const mul: Binary = binary("Mul")
export const div: Binary = binary("Div")
export const pow: Binary = binary("Pow")
export const max: Binary = binary("Max")
export const min: Binary = binary("Min")

/** x·sigmoid(x), also called swish. */
export function silu(x: Value): Value {
  return mul(x, sigmoid(x))
}

/** x·tanh(ln(1 + eˣ)). */
export function mish(x: Value): Value {
  return mul(x, tanh(softplus(x)))
}

/** The exact Gaussian error linear unit, x·Φ(x). */
export function gelu(x: Value): Value {
  return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))
}
