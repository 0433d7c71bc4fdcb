import { throwIfAborted } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import { isFloatType, toFloat32 } from "./to-float32.ts"
import type { TensorInfo, WeightsFile } from "./weights-file.ts"

/** A tensor whose data waits in a file. */
export interface StoredTensor extends TensorInfo {
  load(signal: AbortSignal | undefined): Promise<Tensor>
}

export interface StoredTensors extends Pick<WeightsFile, "name" | "format" | "metadata" | "close"> {
  readonly tensors: Iterable<StoredTensor>
}

/** The one implementation of WeightsFile: every format only says what it stores and how to load it. */
export function weightsFile({ tensors, ...file }: StoredTensors): WeightsFile {
  const stored = new Map<string, StoredTensor>()
  for (const tensor of tensors) stored.set(tensor.name, tensor)

  function find(name: string): StoredTensor {
    const tensor = stored.get(name)
    if (tensor) return tensor
    throw new WeightsError("TENSOR_UNKNOWN", `${file.name} holds no tensor "${name}".`)
  }

  return {
    ...file,
    tensors: stored,
    async read(name, signal) {
      throwIfAborted(signal)
      return await find(name).load(signal)
    },
    async readFloat32Into(name, target, signal) {
      throwIfAborted(signal)
      const info = find(name)
      if (!isFloatType(info.dtype)) {
        throw new WeightsError(
          "UNSUPPORTED",
          `The tensor "${name}" of ${file.name} holds ${info.dtype}, not floating-point numbers.`,
        )
      }
      toFloat32(await info.load(signal), target)
    },
  }
}
