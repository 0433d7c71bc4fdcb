import { InputError } from "../errors.ts"
import { type DType, elementCount, type Tensor } from "../tensor.ts"
import { bfloat16ToFloat32, float16ToFloat32 } from "./half.ts"

/** Whether elements of this type are floating-point numbers. */
export function isFloatType(dtype: DType): boolean {
  return dtype.startsWith("float") || dtype === "bfloat16"
}

/**
 * Copies the elements of a floating-point tensor into `target` as float32; float64 is rounded to nearest.
 *
 * @throws InputError `SHAPE_MISMATCH` when `target` has another number of elements, `INVALID_ARGUMENT` for integers.
 */
export function toFloat32(tensor: Tensor, target: Float32Array): void {
  const count = elementCount(tensor.shape)
  if (target.length !== count) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `A tensor of shape [${tensor.shape.join(", ")}] has ${count} elements, but the target has ${target.length}.`,
    )
  }
  const { dtype, data } = tensor as { [D in DType]: Tensor<D> }[DType]
  switch (dtype) {
    case "float32":
    case "float64":
      target.set(data)
      return
    case "float16":
      float16ToFloat32(data, target)
      return
    case "bfloat16":
      bfloat16ToFloat32(data, target)
      return
    default:
      throw new InputError("INVALID_ARGUMENT", `A tensor of ${dtype} does not hold floating-point numbers.`)
  }
}
