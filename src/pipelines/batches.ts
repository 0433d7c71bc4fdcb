import { checkCount } from "../schedulers/checks.ts"
import { type DType, elementCount, type Tensor, type TensorData } from "../tensor.ts"

/** Small pictures gain from being computed together; large ones only need the memory. */
export function comfortableBatch([height, width]: readonly [number, number]): number {
  return Math.max(1, Math.min(16, Math.floor(2 ** 14 / (height * width))))
}

/** The entries of the first axis from `start` on, at most `count`, as a view. */
export function takeRows<D extends DType>(
  { dtype, shape, data }: Tensor<D>,
  start: number,
  count: number,
): Tensor<D> {
  const [rows = 0, ...rest] = shape
  const taken = Math.min(count, rows - start)
  const size = data.length / rows
  const part = data.subarray(start * size, (start + taken) * size) as TensorData[D]
  return { dtype, shape: [taken, ...rest], data: part }
}

/** Tensors of one shape but for the first axis, one after the other. */
export function joinRows(parts: readonly Tensor<"float32">[]): Tensor<"float32"> {
  if (parts.length === 1) return parts[0]!
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const shape = [rows, ...parts[0]!.shape.slice(1)]
  const data = new Float32Array(elementCount(shape))
  let end = 0
  for (const part of parts) {
    data.set(part.data, end)
    end += part.data.length
  }
  return { dtype: "float32", shape, data }
}

/** A tensor in batches of the given size, or a comfortable one. */
export function batchesOf(x: Tensor<"float32">, batchSize: number | undefined): Tensor<"float32">[] {
  const [count = 0, , height = 1, width = 1] = x.shape
  const size = batchSize ?? comfortableBatch([height, width])
  checkCount("batchSize", size, 1, Number.MAX_SAFE_INTEGER)
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => takeRows(x, i * size, size))
}
