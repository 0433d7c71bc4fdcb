import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common"
import type { OrtModule } from "../platform/ort-module.ts"
import { bytesPerElement, type DType, type Tensor } from "../tensor.ts"
import type { ValueInfo } from "./session.ts"

/** ONNX Runtime's view of a tensor; the elements are shared, not copied. */
export function toOrtTensor(ort: OrtModule, { dtype, shape, data }: Tensor): OrtTensor {
  return new ort.Tensor(dtype as OrtTensor.Type, data as OrtTensor.DataType, shape)
}

/** A tensor whose elements ONNX Runtime holds in main memory; they are shared, not copied. */
export function fromOrtTensor(value: OrtTensor): Tensor {
  const data = value.data as Tensor["data"]
  return {
    dtype: value.type as DType,
    shape: value.dims,
    // Engines that have Float16Array give that; 16-bit floats are kept as their bits everywhere.
    data: value.type === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data,
  }
}

/** What a session says about one of its inputs or outputs; `undefined` when our tensors can't hold it. */
export function valueInfo(metadata: InferenceSession.ValueMetadata): ValueInfo | undefined {
  if (!metadata.isTensor || !(metadata.type in bytesPerElement)) return undefined
  return { name: metadata.name, dtype: metadata.type as DType, shape: metadata.shape }
}
