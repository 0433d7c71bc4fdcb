import type { DType } from "../tensor.ts"

// Element type numbers of the ONNX specification (TensorProto.DataType).
const codes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
}

const names = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]))

/** The number that ONNX gives an element type. */
export function dtypeCode(dtype: DType): number {
  return codes[dtype]
}

/** The element type that a number stands for; undefined for those that this library has no use for. */
export function dtypeFromCode(code: number): DType | undefined {
  return names.get(code)
}
