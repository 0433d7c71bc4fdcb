import type { InferenceSession } from "onnxruntime-common"
import { resolveWasmPaths } from "#platform/ort"
import { describeValue } from "../describe-value.ts"
import { AbortError, InputError, throwIfAborted } from "../errors.ts"
import type { OrtModule, WasmPaths } from "../platform/ort-module.ts"
import type { DType, Tensor } from "../tensor.ts"
import { type Device, type DeviceAttempt, type ResolvedDevice, resolveDevices } from "./device.ts"
import { RuntimeError } from "./errors.ts"
import type { Executor, LoadedModel } from "./executor.ts"
import { chooseExecutor } from "./executors.ts"
import { checkFeeds, checkNames } from "./feeds.ts"

export type { OrtModule, WasmPaths } from "../platform/ort-module.ts"

/**
 * A model in ONNX format: a file, whose external data lies beside it, or bytes with the contents of the files
 * that they name.
 */
export type ModelSource =
  | { readonly path: string }
  | { readonly bytes: Uint8Array; readonly externalData?: readonly ExternalData[] }

/**
 * The contents of one file of external data; `path` is the location that the model's tensors name. A blob is read
 * where the model is loaded, so that it never is in the memory of another thread.
 */
export interface ExternalData {
  readonly path: string
  readonly data: Uint8Array | Blob
}

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
  /**
   * In a browser, where ONNX Runtime's WebAssembly file is: the address of the folder with
   * `ort-wasm-simd-threaded.asyncify.wasm`, or `{ wasm, mjs }` with the addresses of the files. Default: where the bundler
   * put it, or beside the script. The first session of a worker decides. Nothing is ever fetched from elsewhere.
   */
  readonly wasmPaths?: WasmPaths
  /** An ONNX Runtime module to use instead of the installed one. */
  readonly ort?: OrtModule
  /**
   * Whether the buffers of the source may be moved to the worker, which detaches them even if loading fails; else
   * they are copied. Only a buffer that its array fills is moved. Default false.
   * Inline sessions and buffers that are shared (`SharedArrayBuffer`) need neither.
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
  /** Rejects at once when aborted. ONNX Runtime finishes a run that has started, and its result is dropped. */
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
  /**
   * Computes outputs from inputs. The fed arrays stay the caller's: they are neither detached nor kept, but must not
   * be changed before the promise settles. The outputs are new arrays.
   *
   * @throws RuntimeError `INPUT_MISMATCH`, `DISPOSED`, `RUN_FAILED`, `OUT_OF_MEMORY`, `DEVICE_LOST`, `WORKER_DIED`;
   *   AbortError.
   */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>
  /** Frees the model. Runs that were started before it finish first. Calling it again does nothing. */
  dispose(): Promise<void>
}

/**
 * Loads a model on the first device of the list that takes it.
 *
 * @throws RuntimeError `DEVICE_UNAVAILABLE` with the reason for each device, or for a single one the reason itself:
 *   `DEVICE_UNAVAILABLE`, `DEVICE_LOST`, `OUT_OF_MEMORY`; `MODEL_NOT_FOUND`, `MODEL_INVALID`, `WORKER_DIED`,
 *   `WORKER_UNAVAILABLE`; AbortError.
 */
export async function createSession(source: ModelSource, options: SessionOptions = {}): Promise<Session> {
  const { device = "auto", threads, wasmPaths, sessionOptions, transfer = false, signal } = options
  throwIfAborted(signal)
  checkThreads(threads)
  const devices = resolveDevices(device)
  const wasmFiles = wasmPaths === undefined ? undefined : resolveWasmPaths(wasmPaths)
  const executor = chooseExecutor(options)
  const loading = executor.load({ source, devices, threads, wasmFiles, sessionOptions }, { transfer })
  try {
    return new LoadedSession(executor, await abortable(loading, signal))
  } catch (error) {
    // The model that nobody waits for any more.
    if (error instanceof AbortError) loading.then(model => executor.release(model.id)).catch(() => {})
    throw error
  }
}

/** Where a session lives, for who keeps tensors beside it. */
export interface SessionPlace {
  readonly executor: Executor
  readonly model: number
  readonly gpu: number
}

const places = new WeakMap<Session, SessionPlace>()

/** The place of a session on whose device tensors can stay between runs: on WebGPU in browsers. */
export function tensorPlace(session: Session): SessionPlace | undefined {
  return places.get(session)
}

class LoadedSession implements Session {
  readonly device: ResolvedDevice
  readonly attempts: readonly DeviceAttempt[]
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly #executor: Executor
  readonly #id: number
  #disposal: Promise<void> | undefined

  constructor(executor: Executor, { id, device, attempts, inputs, outputs, gpu }: LoadedModel) {
    this.device = device
    this.attempts = attempts
    this.inputs = inputs
    this.outputs = outputs
    this.#executor = executor
    this.#id = id
    if (gpu !== undefined) places.set(this, { executor, model: id, gpu })
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    { signal, outputs }: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    if (this.#disposal) {
      throw new RuntimeError("DISPOSED", "The session has been disposed of.", {
        hint: "Load the model again.",
      })
    }
    throwIfAborted(signal)
    checkFeeds(this.inputs, feeds)
    if (outputs) checkNames("output", this.outputs, outputs)
    const wanted = outputs ?? this.outputs.map(output => output.name)
    return abortable(this.#executor.run(this.#id, feeds, wanted), signal)
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#executor.release(this.#id)
    return this.#disposal
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}

function checkThreads(threads: number | undefined): void {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `threads must be a positive integer, not ${describeValue(threads)}.`,
    )
  }
}

/** `work`, or a rejection as soon as `signal` is aborted; the work itself goes on unseen then. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new AbortError(signal.reason))
    signal.addEventListener("abort", stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener("abort", stop)
  }
}
