import type { Tensor } from "../tensor.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import type { LoadedModel, LoadRequest, TensorMap } from "./executor.ts"
import type { WireAttempt, WireError } from "./wire-error.ts"

/** What a worker can be asked to do: its executor's methods. */
export type WorkerCall =
  | { readonly method: "load"; readonly request: LoadRequest }
  | {
      readonly method: "run"
      readonly model: number
      readonly feeds: TensorMap
      readonly outputs: readonly string[]
    }
  | { readonly method: "perform"; readonly gpu: number; readonly commands: readonly DeviceCommand[] }
  | { readonly method: "release"; readonly model: number }

export type WorkerRequest = WorkerCall & { readonly id: number }

/** A loaded model, with its attempts as plain data. */
export type WireModel = Omit<LoadedModel, "attempts"> & { readonly attempts: readonly WireAttempt[] }

export type WorkerResult = WireModel | Record<string, Tensor> | DeviceReply | undefined

/**
 * A worker's first message says that it has started; then comes one for each request, until it says that its ONNX Runtime
 * did not survive the loss of a device.
 */
export type WorkerMessage =
  | { readonly kind: "started" }
  | { readonly kind: "done"; readonly id: number; readonly result: WorkerResult }
  | { readonly kind: "lost"; readonly error: WireError }
  | { readonly kind: "failed"; readonly id: number; readonly error: WireError }

/** The buffers of arrays that each fill theirs: what can be moved to another thread without taking anything else. */
export function wholeBuffers(arrays: readonly ArrayBufferView[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { buffer, byteLength } of arrays) {
    if (buffer instanceof ArrayBuffer && byteLength > 0 && byteLength === buffer.byteLength)
      buffers.add(buffer)
  }
  return [...buffers]
}
