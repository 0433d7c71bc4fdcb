import type { Value } from "../graph/builder.ts"
import { relu, silu } from "../graph/ops/elementwise.ts"
import { eachPart } from "./layers.ts"

/** The activation functions that score_sde's configurations can name. */
export const nonlinearities: Readonly<Record<Nonlinearity, (x: Value) => Value>> = {
  elu: x => sloped(x, "Elu", 1),
  relu,
  lrelu: x => sloped(x, "LeakyRelu", 0.2),
  swish: x => eachPart(x, silu),
}

export type Nonlinearity = "elu" | "relu" | "lrelu" | "swish"

function sloped(x: Value, op: "Elu" | "LeakyRelu", alpha: number): Value {
  return x.builder.apply(op, [x], { alpha: { kind: "float", value: alpha } })[0]!
}
