import { InputError } from "../errors.ts"
import type { DType, Tensor } from "../tensor.ts"
import { float16ToFloat32, float32ToFloat16 } from "../weights/half.ts"

/** A float tensor as another float type. */
export function toDType(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype) return tensor
  const { shape } = tensor
  if (tensor.dtype === "float32" && dtype === "float16") {
    return { dtype, shape, data: float32ToFloat16(tensor.data as Float32Array) }
  }
  if (tensor.dtype === "float16" && dtype === "float32") {
    const data = new Float32Array(tensor.data.length)
    float16ToFloat32(tensor.data as Uint16Array, data)
    return { dtype, shape, data }
  }
  throw new InputError(
    "INVALID_ARGUMENT",
    `A ${tensor.dtype} tensor was given where the model takes ${dtype}.`,
  )
}
