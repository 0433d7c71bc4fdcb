import type { Value } from "../graph/builder.ts"
import { add, floor, mul, sub } from "../graph/ops/elementwise.ts"
import { concat } from "../graph/ops/shape.ts"

// Half a turn in parts with so few bits that a whole number, up to some thousands, times each but the last is exact.
const halfTurn = [3.140625, 0.0009675025939941406, 1.509957990978376e-7] as const
// The Taylor series of the sine: within a quarter turn, what is left out stays below 6e-8.
const series = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362_880, -1 / 39_916_800] as const

/**
 * The sines and the cosines of `angles` [N, K], beside each other in the order asked for: [N, 2·K].
 *
 * Made of sums and products: WebGPU promises its own sine to 2⁻¹¹ only, which moves the features of a time step by
 * 2e-4, and a network can make ten times as much of that.
 */
export function waves(angles: Value, first: "sin" | "cos" = "sin"): Value {
  const { builder } = angles
  const count = angles.shape[1] as number
  // A cosine is a sine a quarter turn on.
  const forCosines = (number: number): Value =>
    builder.constant(
      "float32",
      [1, 2 * count],
      Float32Array.from({ length: 2 * count }, (_, i) => (i < count === (first === "cos") ? number : 0)),
    )
  const both = concat([angles, angles], 1)
  const halfTurns = floor(add(add(mul(both, 1 / Math.PI), forCosines(0.5)), 0.5))
  const rest = halfTurn.reduce((left, part) => sub(left, mul(halfTurns, part)), both)
  const x = add(rest, forCosines(Math.PI / 2))
  const square = mul(x, x)
  const [last, ...others] = series.toReversed()
  const sum = others.reduce<Value | undefined>(
    (higher, term) => add(higher ? mul(higher, square) : mul(square, last!), term),
    undefined,
  )
  // Every other half turn has the other sign: 1 − 2·(h − 2·⌊h/2⌋).
  const sign = add(sub(mul(floor(mul(halfTurns, 0.5)), 4), mul(halfTurns, 2)), 1)
  return mul(mul(x, sum!), sign)
}
