import type { InferenceSession } from "onnxruntime-common"
import type { DType, Tensor } from "../tensor.ts"
import type { Device, DeviceAttempt, ResolvedDevice } from "./device.ts"

/**
 * A model in ONNX format: a file, whose external data lies beside it, or bytes with the contents of the files
 * that they name.
 */
export type ModelSource =
  | { readonly path: string }
  | { readonly bytes: Uint8Array; readonly externalData?: readonly ExternalData[] }

/** The contents of one file of external data; `path` is the location that the model's tensors name. */
export interface ExternalData {
  readonly path: string
  readonly data: Uint8Array
}

/** The part of ONNX Runtime's JavaScript API that sessions use; `onnxruntime-node` and `-web` are such modules. */
export type OrtModule = Pick<typeof import("onnxruntime-common"), "InferenceSession" | "Tensor" | "env">

/** Session options of ONNX Runtime that are passed on as they are. */
export type OrtSessionOptions = Omit<
  InferenceSession.SessionOptions,
  "executionProviders" | "externalData" | "intraOpNumThreads" | "preferredOutputLocation"
>

export interface SessionOptions {
  /** One device, or several that are tried in order. Default `"auto"`. */
  readonly device?: Device | readonly Device[]
  /**
   * Whether the session lives in a worker thread, so that loading and running leave the caller's event loop free.
   * Default true. An injected `ort` always runs inline.
   */
  readonly worker?: boolean
  /** Threads that one operator may use. Default: as many as there are physical cores. */
  readonly threads?: number
  /** An ONNX Runtime module to use instead of the installed one. */
  readonly ort?: OrtModule
  /**
   * Whether the buffers of the source may be moved to the worker. They are detached then, whether or not the call
   * succeeds; without it they are copied. Default false; inline sessions and shared buffers never copy or detach.
   */
  readonly transfer?: boolean
  readonly sessionOptions?: OrtSessionOptions
  readonly signal?: AbortSignal
}

/** What a model says about one of its inputs or outputs; a size that is free until run time is a name. */
export interface ValueInfo {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
}

export interface RunOptions {
  /** Checked before and after the run; a run that has started cannot be stopped inside ONNX Runtime. */
  readonly signal?: AbortSignal
  /** The outputs that are wanted. Default: all. */
  readonly outputs?: readonly string[]
}

/** A model that is loaded on a device. */
export interface Session extends AsyncDisposable {
  readonly device: ResolvedDevice
  /** The devices that were tried before this one, and why each failed. */
  readonly attempts: readonly DeviceAttempt[]
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** Computes outputs from inputs. The fed arrays stay the caller's: they are neither detached nor kept. */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>
  /** Frees the model. Runs that were started before it finish first. Calling it again does nothing. */
  dispose(): Promise<void>
}

/** Loads a model on the first device of the list that can take it. */
export async function createSession(_source: ModelSource, _options: SessionOptions = {}): Promise<Session> {
  throw new Error("not written yet")
}
