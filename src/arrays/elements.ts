import { bytesPerElement, type DType, type TensorData } from "../tensor.ts"

const arrays: {
  readonly [D in DType]: new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => TensorData[D]
} = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
}

/**
 * Little-endian bytes as elements, without a copy where they are aligned. The library runs on little-endian machines
 * only, as ONNX Runtime does.
 */
export function elementsOf<D extends DType>(dtype: D, bytes: Uint8Array): TensorData[D] {
  const size = bytesPerElement[dtype]
  // Not slice(), which copies nothing where Node's Buffer is given.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  return new arrays[dtype](aligned.buffer, aligned.byteOffset, aligned.length / size)
}

/** Elements as little-endian bytes, without a copy. */
export function bytesOf(data: TensorData[DType]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Turns the bytes of big-endian elements round, in place. */
export function swapByteOrder(bytes: Uint8Array, elementBytes: number): void {
  for (let start = 0; start < bytes.length; start += elementBytes) {
    bytes.subarray(start, start + elementBytes).reverse()
  }
}
