import type { WasmFiles } from "../platform/ort-module.ts"
import type { Tensor } from "../tensor.ts"
import type { DeviceAttempt, ResolvedDevice } from "./device.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import type { ModelSource, OrtSessionOptions, ValueInfo } from "./session.ts"

export type TensorMap = Readonly<Record<string, Tensor>>

/** A model to load on the first of `devices` that takes it. */
export interface LoadRequest {
  readonly source: ModelSource
  readonly devices: readonly ResolvedDevice[]
  readonly threads?: number | undefined
  readonly wasmFiles?: WasmFiles | undefined
  readonly sessionOptions?: OrtSessionOptions | undefined
}

/** A model that an executor holds, by the number that it gave it. */
export interface LoadedModel {
  readonly id: number
  readonly device: ResolvedDevice
  readonly attempts: readonly DeviceAttempt[]
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** The number of the GPU device that it is on, where tensors can stay there, see {@link Executor.perform}. */
  readonly gpu: number | undefined
}

export interface LoadOptions {
  /** Whether the buffers of the source may be moved to where the model lives, which detaches them. */
  readonly transfer?: boolean
}

/**
 * The place where models live: this thread or a worker. Calls are served one after the other, in order, and a call
 * that fails does not disturb those behind it. Every rejection is a `RuntimeError`.
 */
export interface Executor {
  load(request: LoadRequest, options?: LoadOptions): Promise<LoadedModel>
  run(id: number, feeds: TensorMap, outputs: readonly string[]): Promise<Record<string, Tensor>>
  release(id: number): Promise<void>
  /** Works with tensors that stay on a GPU device, and the models that are on it. */
  perform(gpu: number, commands: readonly DeviceCommand[]): Promise<DeviceReply>
}
