// Runs in a page: pipelines of models that a test Hub serves, as an app uses them.
import {
  type DDIMOptions,
  DDPMScheduler,
  DiffusionPipeline,
  PhiloxGenerator,
  type PipelineOptions,
  ScoreSdeError,
  TorchGenerator,
} from "../../../src/index.ts"
import { DeviceState } from "../../../src/runtime/device-state.ts"
import { elementCount } from "../../../src/tensor.ts"

const pipes = new Map<string, DiffusionPipeline>()
let bytesToHost = 0
let bytesToWorkers = 0
let steps = 0

// All that a page reads from a GPU goes through here.
const map = GPUBuffer.prototype.mapAsync
GPUBuffer.prototype.mapAsync = function (mode, ...rest) {
  if (mode === GPUMapMode.READ) bytesToHost += this.size
  return map.call(this, mode, ...rest)
}

// And all that it sends to a worker, here.
const post = Worker.prototype.postMessage
Worker.prototype.postMessage = function (message: unknown, ...rest: unknown[]) {
  bytesToWorkers += bytesIn(message)
  return post.apply(this, [message, ...rest] as Parameters<typeof post>)
}

/** The bytes of the typed arrays in plain data. */
function bytesIn(data: unknown): number {
  if (ArrayBuffer.isView(data)) return data.byteLength
  if (typeof data !== "object" || data === null) return 0
  return Object.values(data).reduce<number>((sum, value) => sum + bytesIn(value), 0)
}

/** Loads a pipeline and keeps it under a name; returns its device. */
export async function load(name: string, id: string, options: PipelineOptions): Promise<string> {
  const pipe = await DiffusionPipeline.fromPretrained(id, options)
  pipes.set(name, pipe)
  return pipe.unet.device
}

type Noise = "philox" | "torch" | "seed"

/**
 * The elements of the pictures, from 0 to 255, and the bytes that each step after the first read back from a GPU and sent
 * to a worker. The noise is that of a generator, or of the seed itself.
 */
export async function sample(
  name: string,
  seed: number,
  options: Pick<DDIMOptions, "batchSize" | "numInferenceSteps" | "eta">,
  noise: Noise = "philox",
): Promise<{ readonly pictures: number[]; readonly bytesRead: number[]; readonly bytesSent: number[] }> {
  steps = 0
  const marks: { read: number; sent: number }[] = []
  const { images } = await pipes.get(name)!({
    ...options,
    ...(noise === "seed"
      ? { seed }
      : { generator: noise === "torch" ? new TorchGenerator(seed) : new PhiloxGenerator(seed) }),
    onProgress: ({ step }) => {
      steps = step
      marks.push({ read: bytesToHost, sent: bytesToWorkers })
    },
  })
  return {
    pictures: images.flatMap(({ data }) => [...data]),
    bytesRead: marks.slice(1).map((mark, i) => mark.read - marks[i]!.read),
    bytesSent: marks.slice(1).map((mark, i) => mark.sent - marks[i]!.sent),
  }
}

/** The elements of the pictures of a call to whose steps somebody may listen. */
export async function pictures(
  name: string,
  options: Pick<DDIMOptions, "seed" | "batchSize" | "numInferenceSteps">,
  { watched = false, latentsSeed }: { readonly watched?: boolean; readonly latentsSeed?: number } = {},
): Promise<number[]> {
  const pipe = pipes.get(name)!
  const shape = [options.batchSize ?? 1, pipe.unet.inChannels, ...pipe.unet.size]
  const { images } = await pipe({
    ...options,
    ...(latentsSeed !== undefined && { latents: new PhiloxGenerator(latentsSeed).randn(shape) }),
    ...(watched && { callbackOnStepEnd: () => {} }),
  })
  return images.flatMap(({ data }) => [...data])
}

/** What a call comes to in which something happens after the first of its two steps: a code or message, or the pictures. */
export async function disturbed(
  name: string,
  event: "abort" | "throw" | "move" | "dispose",
): Promise<string | number[]> {
  const pipe = pipes.get(name)!
  const controller = new AbortController()
  const events = {
    abort: () => controller.abort(),
    throw: () => {
      throw new Error("thrown by onProgress")
    },
    move: () => void pipe.to("wasm"),
    dispose: () => void pipe.dispose(),
  }
  const onProgress = ({ step }: { readonly step: number }): void => {
    if (step === 1) events[event]()
  }
  try {
    const options = { seed: 1, numInferenceSteps: 3, signal: controller.signal, onProgress }
    const { images } = await pipe(options)
    return images.flatMap(({ data }) => [...data])
  } catch (error) {
    return error instanceof ScoreSdeError ? error.code : (error as Error).message
  }
}

/** Gives a DDPM pipeline another scheduler; a derived one halves what the network returns. */
export function setScheduler(name: string, range: number, derived: boolean): void {
  class Derived extends DDPMScheduler {
    override step(
      ...[output, ...rest]: Parameters<DDPMScheduler["step"]>
    ): ReturnType<DDPMScheduler["step"]> {
      return super.step({ ...output, data: output.data.map(value => value / 2) }, ...rest)
    }
  }
  const config = { clipSampleRange: range }
  pipes.get(name)!.scheduler = derived ? new Derived(config) : new DDPMScheduler(config)
}

let bytesOfBuffers = 0
const alive = new WeakSet<GPUBuffer>()
const [createBuffer, destroy] = [GPUDevice.prototype.createBuffer, GPUBuffer.prototype.destroy]
GPUDevice.prototype.createBuffer = function (descriptor) {
  const buffer = createBuffer.call(this, descriptor)
  alive.add(buffer)
  bytesOfBuffers += buffer.size
  return buffer
}
GPUBuffer.prototype.destroy = function () {
  if (alive.delete(this)) bytesOfBuffers -= this.size
  return destroy.call(this)
}

/** The bytes of the page's GPU buffers that nobody has destroyed. */
export function bytesOnGpu(): number {
  return bytesOfBuffers
}

export function stepsDone(): number {
  return steps
}

export function device(name: string): { readonly now: string; readonly lost: string[] } {
  const { unet } = pipes.get(name)!
  return {
    now: unet.device,
    lost: unet.deviceAttempts.map(({ device, error }) => `${device}: ${error.code}`),
  }
}

export async function dispose(name: string): Promise<void> {
  await pipes.get(name)!.dispose()
}

/** The seconds that each of `count` evaluations of the network took. */
export async function secondsOfEvaluations(name: string, count: number): Promise<number[]> {
  const { unet } = pipes.get(name)!
  const shape = [1, unet.inChannels, ...unet.size]
  const sample = { dtype: "float32", shape, data: new Float32Array(elementCount(shape)).fill(0.5) } as const
  const seconds: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await unet.forward(sample, 1)
    seconds.push((performance.now() - start) / 1000)
  }
  return seconds
}

/**
 * Makes pictures from a `PhiloxGenerator`'s noise, then evaluates the network alone as often with its tensors on the
 * device too; returns the seconds of the steps after the first, those of as many evaluations, and the bytes read back.
 */
export async function sampleBesideNetwork(
  name: string,
  options: { readonly seed: number; readonly batchSize: number; readonly numInferenceSteps: number },
): Promise<{ readonly whole: number; readonly network: number; readonly bytesRead: readonly number[] }> {
  const { seed, ...rest } = options
  const pipe = pipes.get(name)!
  const marks: { time: number; nfe: number; bytes: number }[] = []
  await pipe({
    ...rest,
    generator: new PhiloxGenerator(seed),
    onProgress: ({ nfe }) => void marks.push({ time: performance.now(), nfe, bytes: bytesToHost }),
  })
  const [first, last] = [marks[0]!, marks.at(-1)!]
  const { session, inChannels, size } = pipe.unet
  await using state = DeviceState.beside(session)!
  const shape = [options.batchSize, inChannels, ...size]
  const [sample, score] = [state.create("float32", shape), state.create("float32", shape)]
  const timestep = state.create("float32", [options.batchSize], new Float32Array(options.batchSize).fill(1))
  await state.flush()
  const start = performance.now()
  for (const [i, mark] of marks.slice(1).entries()) {
    for (let n = marks[i]!.nfe; n < mark.nfe; n++) {
      state.run(session, { sample, timestep }, { out_sample: score })
    }
    await state.flush()
  }
  return {
    whole: (last.time - first.time) / 1000,
    network: (performance.now() - start) / 1000,
    bytesRead: marks.slice(1).map((mark, i) => mark.bytes - marks[i]!.bytes),
  }
}
