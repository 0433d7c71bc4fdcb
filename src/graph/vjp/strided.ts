import type { Value } from "../builder.ts"
import { pad, reshape } from "../ops/shape.ts"
import type { Dim } from "../types.ts"

/** Places along one axis: from `start` on, `step` apart. */
export interface Progression {
  readonly axis: number
  readonly start: number
  readonly step: number
}

/** A tensor of zeros of the given shape but for the elements of `x` at the places that a slice would take them from. */
export function placed(x: Value, shape: readonly Dim[], progressions: readonly Progression[]): Value {
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  let spread = x
  for (const { axis, start, step } of progressions) {
    const count = x.shape[axis] as number
    const first = step > 0 ? start : start + (count - 1) * step
    const stride = Math.abs(step)
    spread = withZerosBetween(step > 0 ? spread : reversed(spread, axis), axis, stride)
    before[axis] = first
    after[axis] = (shape[axis] as number) - first - count * stride
  }
  return [...before, ...after].every(count => count === 0) ? spread : pad(spread, before, after)
}

function reversed(x: Value, axis: number): Value {
  const size = x.shape[axis] as number
  return x.builder.apply("Slice", [x, ...[-1, -size - 1, axis, -1].map(n => x.builder.ints([n]))])[0]!
}

// Every element followed by stride − 1 zeros.
function withZerosBetween(x: Value, axis: number, stride: number): Value {
  if (stride === 1) return x
  const apart = reshape(x, x.shape.toSpliced(axis + 1, 0, 1))
  const none = apart.shape.map(() => 0)
  return reshape(
    pad(apart, none, none.with(axis + 1, stride - 1)),
    x.shape.with(axis, (x.shape[axis] as number) * stride),
  )
}
