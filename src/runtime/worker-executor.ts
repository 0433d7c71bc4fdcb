import { workerHint } from "#platform/worker"
import type { WorkerLink } from "../platform/worker-link.ts"
import type { Tensor } from "../tensor.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import { RuntimeError } from "./errors.ts"
import type { Executor, LoadedModel, LoadOptions, LoadRequest, TensorMap } from "./executor.ts"
import type { ModelSource } from "./session.ts"
import { fromWire } from "./wire-error.ts"
import {
  type WireModel,
  type WorkerCall,
  type WorkerMessage,
  type WorkerRequest,
  type WorkerResult,
  wholeBuffers,
} from "./worker-protocol.ts"

interface PendingCall {
  readonly resolve: (result: WorkerResult) => void
  readonly reject: (error: unknown) => void
}

/** Runs models in a worker thread, which ends with the last of them. */
export class WorkerExecutor implements Executor {
  readonly #link: WorkerLink
  readonly #pending = new Map<number, PendingCall>()
  #lastCall = 0
  /** Models that are loaded or being loaded. */
  #models = 0
  #started = false
  /** Why nothing can be asked any more. */
  #end: RuntimeError | undefined

  constructor(link: WorkerLink) {
    this.#link = link
    link.listen(message => this.#receive(message as WorkerMessage))
    link.listenForEnd(cause => this.#fail(cause))
  }

  /** Whether the worker still takes models. */
  get open(): boolean {
    return this.#end === undefined
  }

  async load(request: LoadRequest, { transfer = false }: LoadOptions = {}): Promise<LoadedModel> {
    this.#models += 1
    try {
      const source = movableSource(request.source, transfer)
      const result = await this.#call(
        { method: "load", request: { ...request, source } },
        sourceArrays(source),
      )
      const { attempts, ...model } = result as WireModel
      return { ...model, attempts: attempts.map(({ device, error }) => ({ device, error: fromWire(error) })) }
    } catch (error) {
      await this.#forgetModel()
      throw error
    }
  }

  async run(model: number, feeds: TensorMap, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    // The caller's arrays must stay whole, so what is moved to the worker is a copy.
    const copies = Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => [name, { ...tensor, data: copyOf(tensor.data) }]),
    )
    const arrays = Object.values(copies).map(tensor => tensor.data)
    const result = await this.#call({ method: "run", model, feeds: copies, outputs }, arrays)
    return result as Record<string, Tensor>
  }

  async perform(gpu: number, commands: readonly DeviceCommand[]): Promise<DeviceReply> {
    return (await this.#call({ method: "perform", gpu, commands })) as DeviceReply
  }

  async release(model: number): Promise<void> {
    if (!this.open) return
    try {
      await this.#call({ method: "release", model })
    } finally {
      await this.#forgetModel()
    }
  }

  /** Sends a call; buffers that one of `arrays` fills are moved. */
  #call(call: WorkerCall, arrays: readonly ArrayBufferView[] = []): Promise<WorkerResult> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end
      const id = ++this.#lastCall
      const request: WorkerRequest = { id, ...call }
      this.#link.post(request, wholeBuffers(arrays))
      this.#pending.set(id, { resolve, reject })
      this.#link.keepAlive(true)
    })
  }

  #receive(message: WorkerMessage): void {
    if (message.kind === "started") {
      this.#started = true
      return
    }
    if (message.kind === "lost") {
      this.#lose(fromWire(message.error))
      return
    }
    const call = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#link.keepAlive(false)
    if (message.kind === "done") call?.resolve(message.result)
    else call?.reject(fromWire(message.error))
  }

  async #forgetModel(): Promise<void> {
    this.#models -= 1
    if (this.#models > 0 || !this.open) return
    this.#end = new RuntimeError("DISPOSED", "The model has been disposed of.")
    await this.#link.end()
  }

  #fail(cause: unknown): void {
    this.#end ??= this.#started
      ? new RuntimeError("WORKER_DIED", "The worker thread that held the model has ended.", {
          cause,
          hint: "Load the model again; if it was too large for the memory, use a smaller batch.",
        })
      : workerUnavailable(cause)
    this.#rejectAll(this.#end)
  }

  /** Ends the worker, whose ONNX Runtime can't be used any more; the next model gets a new one. */
  #lose(error: RuntimeError): void {
    this.#end ??= error
    this.#rejectAll(error)
    void this.#link.end()
  }

  #rejectAll(error: RuntimeError): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}

/** The error for a worker that didn't start. */
export function workerUnavailable(cause: unknown): RuntimeError {
  return new RuntimeError("WORKER_UNAVAILABLE", "The worker thread did not start.", {
    cause,
    hint: workerHint,
  })
}

/** The source with its bytes in buffers that can be moved: the caller's own when `transfer` is set, else copies. */
function movableSource(source: ModelSource, transfer: boolean): ModelSource {
  if ("path" in source) return source
  const movable = (array: Uint8Array): Uint8Array => {
    const whole = array.byteLength === array.buffer.byteLength
    return array.buffer instanceof ArrayBuffer && !(transfer && whole) ? copyOf(array) : array
  }
  return {
    bytes: movable(source.bytes),
    ...(source.externalData && {
      externalData: source.externalData.map(({ path, data }) => ({
        path,
        data: data instanceof Blob ? data : movable(data),
      })),
    }),
  }
}

function sourceArrays(source: ModelSource): Uint8Array[] {
  if ("path" in source) return []
  const data = (source.externalData ?? []).map(({ data }) => data)
  return [source.bytes, ...data].filter(array => array instanceof Uint8Array)
}

/** A copy in a buffer of its own. A Node `Buffer` has a `slice` that shares memory, so the common one is borrowed. */
function copyOf<A extends Tensor["data"]>(array: A): A {
  return Uint8Array.prototype.slice.call(array) as Tensor["data"] as A
}
