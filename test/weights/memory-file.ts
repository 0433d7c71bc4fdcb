import type { Tensor } from "../../src/tensor.ts"
import { weightsFile } from "../../src/weights/stored-tensors.ts"
import type { WeightsFile } from "../../src/weights/weights-file.ts"

/** A weights file over tensors in memory. */
export function memoryFile(tensors: Readonly<Record<string, Tensor>>): WeightsFile {
  return weightsFile({
    name: "memory.bin",
    format: "torch",
    metadata: {},
    tensors: Object.entries(tensors).map(([name, tensor]) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      load: async () => tensor,
    })),
    close: async () => {},
  })
}

/** A float32 tensor with the values 0, 1, 2, …, or with those given. */
export function floats(shape: readonly number[], values?: readonly number[]): Tensor<"float32"> {
  const count = shape.reduce((product, size) => product * size, 1)
  return {
    dtype: "float32",
    shape,
    data: Float32Array.from(values ?? Array.from({ length: count }, (_, i) => i)),
  }
}
