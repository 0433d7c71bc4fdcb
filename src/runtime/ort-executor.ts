import type { InferenceSession } from "onnxruntime-common"
import pLimit from "p-limit"
import type { LoadedOrt, OrtModule, WasmFiles } from "../platform/ort-module.ts"
import type { Tensor } from "../tensor.ts"
import type { DeviceAttempt, ResolvedDevice } from "./device.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import { DeviceLoss } from "./device-loss.ts"
import type { DeviceMemory } from "./device-memory.ts"
import { RuntimeError } from "./errors.ts"
import type { Executor, LoadedModel, LoadRequest, TensorMap } from "./executor.ts"
import { GpuMemoryWatch } from "./gpu-memory-watch.ts"
import { loadError, mayFallBack, missingOrt, noDevice, runError } from "./ort-errors.ts"
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
  /** Where its tensors can stay. */
  readonly gpu: GPUDevice | undefined
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
  readonly #loss = new DeviceLoss()
  readonly #memoryWatch = new GpuMemoryWatch()
  readonly #around: <T>(work: () => Promise<T>) => Promise<T>
  readonly #memories = new WeakMap<GPUDevice, DeviceMemory>()
  #lastId = 0

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
    if (this.#loss.error) return Promise.resolve()
    return this.#inTurn(async () => {
      const model = this.#models.get(id)
      this.#models.delete(id)
      await model?.session.release()
    })
  }

  perform(commands: readonly DeviceCommand[]): Promise<DeviceReply> {
    return this.#inTurn(() => this.#perform(commands))
  }

  /** Sets a handler that hears, once, that a device was lost; every call ends in that error from then on. */
  listenForLoss(handler: (error: RuntimeError) => void): void {
    this.#loss.listen(handler)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#oneByOne(() => this.#loss.during(() => this.#around(work)))
  }

  async #loadOnFirst(request: LoadRequest): Promise<LoadedModel> {
    const { source } = request
    const { requireExternalData, requireModelFile } = await modelFile()
    if ("path" in source) await requireModelFile(source.path)
    else requireExternalData(source)
    const attempts: DeviceAttempt[] = []
    for (const device of request.devices) {
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
    const ort = await this.#loadOrt(device, threads, wasmFiles).catch(cause => {
      throw missingOrt(cause, device)
    })
    const session = await createOrtSession(ort, source, {
      ...silent,
      ...sessionOptions,
      executionProviders: [device],
      ...(threads !== undefined && { intraOpNumThreads: threads }),
    }).catch(cause => {
      throw cause instanceof RuntimeError ? cause : loadError(cause, device)
    })
    try {
      const inputs = valueInfos("input", session.inputMetadata)
      const outputs = valueInfos("output", session.outputMetadata)
      const id = ++this.#lastId
      const gpu = device === "webgpu" ? await ort.gpuDevice?.() : undefined
      if (gpu) this.#memoryWatch.watch(gpu)
      const fault = this.#memoryWatch.take()
      if (fault) throw loadError(fault, device)
      this.#models.set(id, { ort: ort.module, session, device, gpu })
      if (gpu) this.#watch(gpu)
      return { id, device, inputs, outputs, holdsTensors: gpu !== undefined }
    } catch (error) {
      await session.release()
      throw error
    }
  }

  async #run(id: number, feeds: TensorMap, outputs: readonly string[]): Promise<Record<string, Tensor>> {
    const { ort, session, device } = this.#open(id)
    try {
      const ortFeeds = mapValues(feeds, tensor => toOrtTensor(ort, tensor))
      const results = mapValues(await session.run(ortFeeds, outputs, silent), fromOrtTensor)
      this.#requireMemory()
      return results
    } catch (cause) {
      throw this.#failed(cause, device)
    }
  }

  async #perform(commands: readonly DeviceCommand[]): Promise<DeviceReply> {
    const holder = [...this.#models.values()].find(model => model.gpu)
    if (!holder?.gpu) throw new RuntimeError("DISPOSED", "The model has been disposed of.")
    const { ort, gpu, device } = holder
    let memory = this.#memories.get(gpu!)
    if (!memory) {
      const { DeviceMemory } = await import("./device-memory.ts")
      memory = new DeviceMemory(ort, gpu!)
      this.#memories.set(gpu!, memory)
    }
    try {
      const reply = await memory.perform(commands, id => this.#open(id).session)
      this.#requireMemory()
      return reply
    } catch (cause) {
      throw this.#failed(cause, device)
    }
  }

  #open(id: number): OpenModel {
    const model = this.#models.get(id)
    if (!model) throw new RuntimeError("DISPOSED", "The model has been disposed of.")
    return model
  }

  #requireMemory(): void {
    const fault = this.#memoryWatch.take()
    if (fault) throw fault
  }

  /** The error for what was thrown in a run. */
  #failed(cause: unknown, device: ResolvedDevice): RuntimeError {
    const error = cause instanceof RuntimeError ? cause : runError(cause, device)
    if (error.code === "DEVICE_LOST") this.#loss.declare(error)
    return error
  }

  #watch(gpu: GPUDevice): void {
    // ONNX Runtime itself destroys the device with the last session that uses it.
    this.#loss.watch(gpu, "webgpu", () =>
      [...this.#models.values()].some(({ device }) => device === "webgpu"),
    )
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
