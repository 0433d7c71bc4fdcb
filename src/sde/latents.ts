import { InputError } from "../errors.ts"
import { checkSameShape, type PerSample, perSample } from "../schedulers/checks.ts"
import { linspace } from "../schedulers/float32.ts"
import type { Tensor } from "../tensor.ts"
import { innerProducts, weightedSum } from "./batch.ts"

/** (1 − w)·a + w·b, with one weight for the batch or one for each sample. */
export function lerp(a: Tensor<"float32">, b: Tensor<"float32">, weight: PerSample): Tensor<"float32"> {
  checkSameShape("b", b, "a", a)
  const w = perSample("weight", weight, a.shape[0] ?? 1)
  return weightedSum([w.map(value => 1 - value), a], [w, b])
}

/**
 * Spherical interpolation from a to b, each sample along its own great circle: between two Gaussian latents all the
 * points on the way have about their norm, as Gaussian latents must. Parallel samples are interpolated linearly.
 *
 * @throws InputError `SHAPE_MISMATCH`
 */
export function slerp(a: Tensor<"float32">, b: Tensor<"float32">, weight: PerSample): Tensor<"float32"> {
  checkSameShape("b", b, "a", a)
  const w = perSample("weight", weight, a.shape[0] ?? 1)
  const [aa, ab, bb] = [innerProducts(a, a), innerProducts(a, b), innerProducts(b, b)]
  const parts = w.map((value, i) => {
    const angle = Math.acos(Math.min(Math.max(ab[i]! / Math.sqrt(aa[i]! * bb[i]!), -1), 1))
    const sine = Math.sin(angle)
    return sine > 1e-6
      ? [Math.sin((1 - value) * angle) / sine, Math.sin(value * angle) / sine]
      : [1 - value, value]
  })
  return weightedSum([parts.map(part => part[0]!), a], [parts.map(part => part[1]!), b])
}

/**
 * `count` latents on the way from `a` to `b`, both ends included.
 *
 * @param a - [1, …]
 * @param b - [1, …]
 * @param interpolate - {@link slerp} by default.
 * @returns [count, …]
 * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
 */
export function interpolateLatents(
  a: Tensor<"float32">,
  b: Tensor<"float32">,
  count: number,
  interpolate: typeof slerp = slerp,
): Tensor<"float32"> {
  if (!Number.isInteger(count) || count < 2) {
    throw new InputError("INVALID_ARGUMENT", `count is ${count}, but must be a whole number from 2 up.`)
  }
  return interpolate(repeat(a, count), repeat(b, count), linspace(0, 1, count))
}

/** The one sample of `x`, `count` times. */
function repeat(x: Tensor<"float32">, count: number): Tensor<"float32"> {
  if (x.shape[0] !== 1) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `A latent has the shape [${x.shape.join(", ")}], but one sample, [1, …], is needed.`,
    )
  }
  const data = new Float32Array(count * x.data.length)
  for (let i = 0; i < count; i++) data.set(x.data, i * x.data.length)
  return { dtype: "float32", shape: [count, ...x.shape.slice(1)], data }
}
