import type { DType, Tensor } from "../tensor.ts"

/**
 * What can be done with tensors that stay on the device. They are known by numbers that the caller picks, unique in the
 * executor, and keep their types and shapes.
 */
export type DeviceCommand =
  /** Makes a tensor, of zeros where no data is given. */
  | {
      readonly op: "create"
      readonly id: number
      readonly dtype: DType
      readonly shape: readonly number[]
      readonly data?: Tensor["data"]
    }
  | { readonly op: "write"; readonly id: number; readonly data: Tensor["data"] }
  /** Runs a model; its inputs, and its outputs' places, by the names that it gives them. */
  | {
      readonly op: "run"
      readonly model: number
      readonly feeds: Readonly<Record<string, number>>
      readonly into: Readonly<Record<string, number>>
    }
  /** Makes a stream that goes on from the state of a `TorchGenerator`. Its numbers are made beside the device. */
  | { readonly op: "torchStream"; readonly id: number; readonly state: Uint8Array }
  /** Fills `into` with the next draw of `stream`: such a stream, or a tensor as `noiseStream` describes. */
  | { readonly op: "noise"; readonly stream: number; readonly into: number }
  /** Waits until all that was asked for is done. */
  | { readonly op: "settle" }
  | { readonly op: "read"; readonly id: number }
  | { readonly op: "free"; readonly ids: readonly number[] }

export interface DeviceReply {
  /** What the `read` commands read. */
  readonly tensors: readonly Tensor[]
  /** Bytes of tensors that these commands copied to the device and back. */
  readonly bytesCopied: number
}
