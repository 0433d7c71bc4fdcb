import type { Tensor } from "../tensor.ts"

/** At most `count` entries of the first axis from `start` on, as a view. */
export function takeRows(
  { dtype, shape, data }: Tensor<"float32">,
  start: number,
  count: number,
): Tensor<"float32"> {
  const [rows = 0, ...rest] = shape
  const taken = Math.min(count, rows - start)
  const size = data.length / rows
  return { dtype, shape: [taken, ...rest], data: data.subarray(start * size, (start + taken) * size) }
}
