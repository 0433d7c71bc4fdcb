import type { InferenceSession } from "onnxruntime-common"
import type { OrtModule } from "../platform/ort-module.ts"
import { TorchGenerator } from "../random/torch-generator.ts"
import { bytesPerElement, type DType, elementCount, type Tensor } from "../tensor.ts"
import type { DeviceCommand, DeviceReply } from "./device-commands.ts"
import { RuntimeError } from "./errors.ts"
import { GpuNoise } from "./gpu-noise.ts"

interface HeldTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly buffer: GPUBuffer
}

interface OrtSession {
  readonly ort: OrtModule
  readonly session: InferenceSession
}

/** The tensors that stay on one GPU device. */
export class DeviceMemory {
  readonly #gpu: GPUDevice
  readonly #tensors = new Map<number, HeldTensor>()
  readonly #torchStreams = new Map<number, TorchGenerator>()
  #noise: GpuNoise | undefined
  #bytesCopied = 0

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu
  }

  /** Carries out commands in order; `find` gives a model's session and its ONNX Runtime. */
  async perform(
    commands: readonly DeviceCommand[],
    find: (model: number) => OrtSession,
  ): Promise<DeviceReply> {
    this.#bytesCopied = 0
    const tensors: Tensor[] = []
    for (const command of commands) {
      switch (command.op) {
        case "create":
          await this.#create(command)
          break
        case "write":
          this.#write(this.#get(command.id), command.data)
          break
        case "run":
          await this.#run(find(command.model), command.feeds, command.into)
          break
        case "torchStream":
          this.#torchStreams.set(command.id, new TorchGenerator(0).setState(command.state))
          break
        case "noise":
          await this.#draw(command.stream, this.#get(command.into))
          break
        case "settle":
          await this.#gpu.queue.onSubmittedWorkDone()
          break
        case "read":
          tensors.push(await this.#read(this.#get(command.id)))
          break
        case "free":
          for (const id of command.ids) this.#free(id)
          break
      }
    }
    return { tensors, bytesCopied: this.#bytesCopied }
  }

  async #create({ id, dtype, shape, data }: Extract<DeviceCommand, { op: "create" }>): Promise<void> {
    // WebGPU tells of a lack of memory only to who asks.
    this.#gpu.pushErrorScope("out-of-memory")
    const buffer = this.#gpu.createBuffer({
      size: bufferSize(dtype, shape),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    })
    const error = await this.#gpu.popErrorScope()
    if (error) {
      buffer.destroy()
      throw new RuntimeError(
        "OUT_OF_MEMORY",
        "There was not enough memory on webgpu for the sampler's state.",
        {
          device: "webgpu",
          cause: error,
          hint: "Use a smaller batch.",
        },
      )
    }
    const held = { dtype, shape, buffer }
    this.#free(id)
    this.#tensors.set(id, held)
    if (data) this.#write(held, data)
  }

  #write({ buffer }: HeldTensor, data: Tensor["data"]): void {
    this.#gpu.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>)
    this.#bytesCopied += data.byteLength
  }

  async #draw(stream: number, into: HeldTensor): Promise<void> {
    const torch = this.#torchStreams.get(stream)
    if (torch) {
      this.#write(into, torch.randn(into.shape).data)
      return
    }
    this.#noise ??= await GpuNoise.on(this.#gpu)
    this.#noise.draw(this.#get(stream).buffer, into.buffer, elementCount(into.shape))
  }

  async #run(
    { ort, session }: OrtSession,
    feeds: Readonly<Record<string, number>>,
    into: Readonly<Record<string, number>>,
  ): Promise<void> {
    const [ortFeeds, ortOutputs] = [feeds, into].map(places =>
      Object.fromEntries(
        Object.entries(places).map(([name, id]) => {
          const { dtype, shape, buffer } = this.#get(id)
          const dataType = dtype as "float32"
          return [name, ort.Tensor.fromGpuBuffer(buffer, { dataType, dims: shape })]
        }),
      ),
    )
    await session.run(ortFeeds!, ortOutputs!)
  }

  async #read({ dtype, shape, buffer }: HeldTensor): Promise<Tensor> {
    const size = bufferSize(dtype, shape)
    const copy = this.#gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
    try {
      const encoder = this.#gpu.createCommandEncoder()
      encoder.copyBufferToBuffer(buffer, 0, copy, 0, size)
      this.#gpu.queue.submit([encoder.finish()])
      await copy.mapAsync(GPUMapMode.READ)
      const bytes = copy.getMappedRange().slice(0, elementCount(shape) * bytesPerElement[dtype])
      this.#bytesCopied += bytes.byteLength
      return { dtype, shape, data: dtype === "int32" ? new Int32Array(bytes) : new Float32Array(bytes) }
    } finally {
      copy.destroy()
    }
  }

  #get(id: number): HeldTensor {
    const held = this.#tensors.get(id)
    if (!held) throw new RuntimeError("DISPOSED", "The device holds no such tensor.")
    return held
  }

  #free(id: number): void {
    this.#tensors.get(id)?.buffer.destroy()
    this.#tensors.delete(id)
    this.#torchStreams.delete(id)
  }
}

// ONNX Runtime binds whole vectors of four numbers.
function bufferSize(dtype: DType, shape: readonly number[]): number {
  return Math.max(16, Math.ceil((elementCount(shape) * bytesPerElement[dtype]) / 16) * 16)
}
