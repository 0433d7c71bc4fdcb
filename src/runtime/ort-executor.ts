import type { InferenceSession } from "onnxruntime-common"
import pLimit from "p-limit"
import type { LoadedOrt, OrtModule, WasmFiles } from "../platform/ort-module.ts"
import type { Tensor } from "../tensor.ts"
import type { DeviceAttempt, ResolvedDevice } from "./device.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import { RuntimeError } from "./errors.ts"
import type { Executor, LoadedModel, LoadRequest, TensorMap } from "./executor.ts"
import { loadError, lostForGood, mayFallBack, missingOrt, noDevice, runError } from "./ort-errors.ts"
import type { OrtGpu } from "./ort-gpu.ts"
import { fromOrtTensor, toOrtTensor, valueInfo } from "./ort-tensor.ts"
import type { ExternalData, ValueInfo } from "./session.ts"

/** Gives the ONNX Runtime that serves a device. */
export type OrtLoader = (
  device: ResolvedDevice,
  threads: number | undefined,
  wasmFiles: WasmFiles | undefined,
) => Promise<LoadedOrt>

interface OpenModel {
  readonly ort: OrtModule
  readonly session: InferenceSession
  readonly device: ResolvedDevice
  /** The device that was made for it, where its tensors can stay. */
  readonly gpu: OrtGpu | undefined
}

// What goes wrong is thrown; there is no need to print it too.
const silent = { logSeverityLevel: 4 } as const

// Not needed in the thread that has a worker, whose start it would delay.
const modelFile = () => import("./model-file.ts")

/** Runs models with ONNX Runtime in this thread. */
export class OrtExecutor implements Executor {
  readonly #loadOrt: OrtLoader
  readonly #models = new Map<number, OpenModel>()
  // The WebGPU backend breaks when two calls overlap, even in different sessions.
  readonly #oneByOne = pLimit(1)
  readonly #around: <T>(work: () => Promise<T>) => Promise<T>
  /** The GPU devices that models are on: one, and those that were lost before it. */
  readonly #gpus = new Map<number, OrtGpu>()
  /** Devices that are lost and that ONNX Runtime gets no other of, having made them itself. */
  readonly #lost = new Map<ResolvedDevice, RuntimeError>()
  #lastId = 0
  #lastGpu = 0
  /** Why nothing can be asked any more. */
  #end: RuntimeError | undefined
  #onEnd: ((loss: RuntimeError) => void) | undefined

  /** @param around - Does a piece of work that calls ONNX Runtime, for who must know when that happens. */
  constructor(loadOrt: OrtLoader, around: <T>(work: () => Promise<T>) => Promise<T> = work => work()) {
    this.#loadOrt = loadOrt
    this.#around = around
  }

  load(request: LoadRequest): Promise<LoadedModel> {
    return this.#inTurn(() => this.#loadOnFirst(request))
  }

  run(id: number, feeds: TensorMap, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#inTurn(() => this.#run(id, feeds, outputs))
  }

  release(id: number): Promise<void> {
    if (this.#end) return Promise.resolve()
    return this.#inTurn(async () => {
      const model = this.#models.get(id)
      if (!model) return
      this.#models.delete(id)
      const { session, gpu } = model
      const free = (): Promise<void> => session.release()
      try {
        await (gpu ? gpu.freeing(free) : free())
      } finally {
        this.#closeUnused(gpu)
      }
    })
  }

  perform(gpu: number, commands: readonly DeviceCommand[]): Promise<DeviceReply> {
    return this.#inTurn(() => this.#perform(gpu, commands))
  }

  /** Sets a handler that hears, once, that ONNX Runtime did not survive the loss of a device; every call fails from then on. */
  listenForEnd(handler: (loss: RuntimeError) => void): void {
    this.#onEnd = handler
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#oneByOne(() => {
      if (this.#end) throw this.#end
      return this.#around(work)
    })
  }

  async #loadOnFirst(request: LoadRequest): Promise<LoadedModel> {
    const { source } = request
    const { requireExternalData, requireModelFile } = await modelFile()
    if ("path" in source) await requireModelFile(source.path)
    else requireExternalData(source)
    const attempts: DeviceAttempt[] = []
    for (const device of request.devices) {
      if (this.#end) throw this.#end
      try {
        return { ...(await this.#loadOn(device, request)), attempts }
      } catch (error) {
        if (!mayFallBack(error)) throw error
        attempts.push({ device, error })
      }
    }
    throw noDevice(attempts)
  }

  async #loadOn(
    device: ResolvedDevice,
    { source, threads, wasmFiles, sessionOptions }: LoadRequest,
  ): Promise<Omit<LoadedModel, "attempts">> {
    this.#requireDevice(device)
    const ort = await this.#loadOrt(device, threads, wasmFiles).catch(cause => {
      throw missingOrt(cause, device)
    })
    let gpu: OrtGpu | undefined
    const create = (): Promise<InferenceSession> =>
      createOrtSession(ort, source, {
        ...silent,
        ...sessionOptions,
        executionProviders: [gpu ? { name: "webgpu", device: gpu.device } : device],
        ...(threads !== undefined && { intraOpNumThreads: threads }),
      })
    const release = (session: InferenceSession): Promise<void> => session.release().catch(() => {})
    try {
      if (device === "webgpu" && ort.requestGpu) gpu = await this.#gpuFrom(ort.requestGpu)
      const session = await (gpu ? gpu.during(create, release) : create())
      const id = ++this.#lastId
      this.#models.set(id, { ort: ort.module, session, device, gpu })
      try {
        const inputs = valueInfos("input", session.inputMetadata)
        const outputs = valueInfos("output", session.outputMetadata)
        return { id, device, inputs, outputs, gpu: gpu?.id }
      } catch (error) {
        this.#models.delete(id)
        await release(session)
        throw error
      }
    } catch (cause) {
      this.#closeUnused(gpu)
      const error = cause instanceof RuntimeError ? cause : loadError(cause, device)
      throw this.#failed(error, ort.requestGpu === undefined)
    }
  }

  async #run(id: number, feeds: TensorMap, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    const { ort, session, device, gpu } = this.#open(id)
    this.#requireDevice(device)
    try {
      const ortFeeds = mapValues(feeds, tensor => toOrtTensor(ort, tensor))
      const run = (): Promise<InferenceSession.OnnxValueMapType> => session.run(ortFeeds, outputs, silent)
      return mapValues(await (gpu ? gpu.during(run) : run()), fromOrtTensor)
    } catch (cause) {
      throw this.#failed(cause instanceof RuntimeError ? cause : runError(cause, device), gpu === undefined)
    }
  }

  async #perform(id: number, commands: readonly DeviceCommand[]): Promise<DeviceReply> {
    const gpu = this.#gpus.get(id)
    if (!gpu) throw new RuntimeError("DISPOSED", "The model has been disposed of.")
    const find = (model: number): OpenModel => {
      const open = this.#open(model)
      if (open.gpu === gpu) return open
      throw new RuntimeError("DISPOSED", "The model and the tensors are no longer on one device.")
    }
    try {
      return await gpu.during(() => gpu.memory.perform(commands, find))
    } catch (cause) {
      throw cause instanceof RuntimeError ? cause : runError(cause, "webgpu")
    }
  }

  #requireDevice(device: ResolvedDevice): void {
    const loss = this.#lost.get(device)
    if (loss) throw lostForGood(loss, device)
  }

  /** Takes note of a device that is lost for good. */
  #failed(error: RuntimeError, madeByOrt: boolean): RuntimeError {
    if (error.code === "DEVICE_LOST" && madeByOrt && error.device) this.#lost.set(error.device, error)
    return error
  }

  /** The GPU device that models are on, or another where that is lost or there is none. */
  async #gpuFrom(request: () => Promise<GPUDevice>): Promise<OrtGpu> {
    const inUse = [...this.#gpus.values()].find(gpu => !gpu.lost)
    if (inUse) return inUse
    const { OrtGpu } = await import("./ort-gpu.ts")
    const gpu = new OrtGpu(++this.#lastGpu, await request(), loss => {
      this.#end = lostForGood(loss, "webgpu")
      this.#onEnd?.(loss)
    })
    this.#gpus.set(gpu.id, gpu)
    return gpu
  }

  /** Gives back a GPU device that no model is on. */
  #closeUnused(gpu: OrtGpu | undefined): void {
    if (!gpu || [...this.#models.values()].some(model => model.gpu === gpu)) return
    this.#gpus.delete(gpu.id)
    gpu.close()
  }

  #open(id: number): OpenModel {
    const model = this.#models.get(id)
    if (!model) throw new RuntimeError("DISPOSED", "The model has been disposed of.")
    return model
  }
}

async function createOrtSession(
  { module: ort, readsFiles }: LoadedOrt,
  source: LoadRequest["source"],
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  if ("path" in source && readsFiles) return ort.InferenceSession.create(source.path, options)
  const { bytes, externalData } =
    "path" in source ? await (await modelFile()).readModelFile(source.path) : source
  // The native binding takes weights from shared memory, but not the model itself.
  const model = bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes)
  const data = readsFiles ? await Promise.all((externalData ?? []).map(inMemory)) : externalData
  return ort.InferenceSession.create(model, { ...options, ...(data && { externalData: data }) })
}

/** The native binding takes no blobs. */
async function inMemory({ path, data }: ExternalData): Promise<ExternalData> {
  return { path, data: data instanceof Blob ? new Uint8Array(await data.arrayBuffer()) : data }
}

function valueInfos(
  kind: "input" | "output",
  metadata: readonly InferenceSession.ValueMetadata[],
): ValueInfo[] {
  return metadata.map(value => {
    const info = valueInfo(value)
    if (info) return info
    throw new RuntimeError(
      "MODEL_INVALID",
      `The model's ${kind} "${value.name}" is ${value.isTensor ? `of type ${value.type}` : "not a tensor"}, which is not supported.`,
    )
  })
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
