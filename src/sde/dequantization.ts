import type { RandomGenerator } from "../random/generator.ts"
import type { Tensor } from "../tensor.ts"

/**
 * Uniform dequantisation: 8-bit colours as densities see them, (255·x + u)/256 with u uniform in [0, 1).
 *
 * @param x - Pictures in [0, 1], in steps of 1/255.
 * @returns Pictures in [0, 1).
 */
export function dequantize(x: Tensor<"float32">, generator: RandomGenerator): Tensor<"float32"> {
  const u = generator.rand(x.shape).data
  return { dtype: "float32", shape: x.shape, data: x.data.map((value, i) => (255 * value + u[i]!) / 256) }
}
