// Runs in a page: pipelines of models that a test Hub serves, as an app uses them.
import {
  type DDIMOptions,
  DiffusionPipeline,
  PhiloxGenerator,
  type PipelineOptions,
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
