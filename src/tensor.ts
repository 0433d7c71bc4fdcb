import { describeValue } from "./describe-value.ts"
import { InputError } from "./errors.ts"

/** The array that holds the elements of each element type. 16-bit floats are kept as their bits. */
export interface TensorData {
  float32: Float32Array
  float16: Uint16Array
  bfloat16: Uint16Array
  float64: Float64Array
  int64: BigInt64Array
  int32: Int32Array
  int16: Int16Array
  int8: Int8Array
  uint8: Uint8Array
  bool: Uint8Array
}

/** Element types that files and graphs name. */
export type DType = keyof TensorData

/** A dense, row-major array: plain data, no methods. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D
  readonly shape: readonly number[]
  readonly data: TensorData[D]
}

/** Bytes that one element of each type takes. */
export const bytesPerElement: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
}

/** The number of elements of a shape; 1 for the empty shape of a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/**
 * Makes a tensor and checks that `data` holds exactly the elements of `shape`.
 *
 * @throws InputError `SHAPE_MISMATCH` when the lengths differ.
 */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: TensorData[D]): Tensor<D> {
  if (data.length !== elementCount(shape)) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `A ${dtype} tensor of shape [${shape.join(", ")}] needs ${elementCount(shape)} elements, but ${data.length} were given.`,
    )
  }
  return { dtype, shape, data }
}

/**
 * Checks that a caller without types gave a tensor, whole.
 *
 * @throws InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`
 */
export function checkTensor(name: string, value: unknown): asserts value is Tensor {
  if (!isTensor(value)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `${name} is ${describeValue(value)}, but must be a tensor { dtype, shape, data }.`,
    )
  }
  const { shape, data } = value
  if (data.length === elementCount(shape)) return
  throw new InputError(
    "SHAPE_MISMATCH",
    `${name} has the shape [${shape.join(", ")}], but its data has ${data.length} elements.`,
  )
}

/** Whether a value has what a tensor has. */
export function isTensor(value: unknown): value is Tensor {
  const { dtype, shape, data } = (value ?? {}) as Partial<Tensor>
  return (
    Array.isArray(shape) && ArrayBuffer.isView(data) && data.BYTES_PER_ELEMENT === bytesPerElement[dtype!]
  )
}
