// Runs in a page: tensors that stay on the device.
import type { ScoreSdeError } from "../../../src/errors.ts"
import { encodeWithExternalData } from "../../../src/graph/encode.ts"
import { weightLayout } from "../../../src/graph/weight-layout.ts"
import type { RandomGenerator } from "../../../src/random/generator.ts"
import { PhiloxGenerator } from "../../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../../src/random/torch-generator.ts"
import { DeviceState, type DeviceTensor } from "../../../src/runtime/device-state.ts"
import { noiseStream, streamWords } from "../../../src/runtime/gpu-noise.ts"
import { createSession, type Session } from "../../../src/runtime/session.ts"
import { DDPMScheduler } from "../../../src/schedulers/ddpm.ts"
import type { LinearStep } from "../../../src/schedulers/linear-step.ts"
import { ScoreSdeVeScheduler } from "../../../src/schedulers/score-sde-ve.ts"
import {
  correctorGraph,
  linearStepGraph,
  stepColumns,
  stepTable,
} from "../../../src/schedulers/step-graphs.ts"
import { elementCount, type Tensor } from "../../../src/tensor.ts"

const picture = [3, 5, 7] as const
const shape = [2, ...picture]
const stepCount = 4
// Nothing of a step may run on the CPU, since that would copy its tensors.
const onDeviceOnly = { extra: { session: { disable_cpu_ep_fallback: "1" } } }

/** The numbers of a tensor that stands beside what it should be. */
export interface Compared {
  readonly found: readonly number[]
  readonly expected: readonly number[]
}

/** Three draws on the device, and by the generator that they should equal. */
export function draws(seed: string, sample: number, draw: number): Promise<Compared> {
  const generator = new PhiloxGenerator(BigInt(seed), { sample, draw })
  const words = noiseStream(generator.seed, generator, shape[0]!, elementCount(picture))
  return compareDraws(generator, state => state.create("int32", [streamWords], words))
}

/** Three draws of a stream of PyTorch's numbers beside the device, and by the generator that they should equal. */
export function torchDraws(seed: number): Promise<Compared> {
  const generator = new TorchGenerator(seed)
  generator.randn(shape)
  return compareDraws(generator, state => state.createTorchStream(generator.getState()))
}

async function compareDraws(
  generator: RandomGenerator,
  streamIn: (state: DeviceState) => DeviceTensor,
): Promise<Compared> {
  await using session = await stepSession()
  await using state = DeviceState.beside(session)!
  const stream = streamIn(state)
  const noise = state.create("float32", shape)
  for (let i = 0; i < 3; i++) {
    state.draw(stream, noise)
    state.read(noise)
  }
  const { tensors } = await state.flush()
  const expected = [0, 1, 2].flatMap(() => [...generator.randn(shape).data])
  return { found: tensors.flatMap(({ data }) => Array.from(data, Number)), expected }
}

/** The largest error of a draw of so many numbers that each thread of the device has several blocks to fill. */
export async function errorOfLargeDraw(): Promise<number> {
  const large = [360, 3, 32, 33]
  await using session = await stepSession()
  await using state = DeviceState.beside(session)!
  const generator = new PhiloxGenerator(3)
  const words = noiseStream(generator.seed, generator, large[0]!, elementCount(large.slice(1)))
  const stream = state.create("int32", [streamWords], words)
  const noise = state.create("float32", large)
  state.draw(stream, noise)
  state.read(noise)
  const { tensors } = await state.flush()
  const found = tensors[0]!.data as Float32Array
  return generator.randn(large).data.reduce((worst, z, i) => Math.max(worst, Math.abs(found[i]! - z)), 0)
}

/** The codes of errors: of a tensor beyond any device's limits, and of a stream with too few words. */
export async function refusals(): Promise<string[]> {
  await using session = await stepSession()
  const codes: string[] = []
  for (const work of [
    (state: DeviceState) => void state.create("float32", [2 ** 36]),
    (state: DeviceState) => state.draw(state.create("int32", [1]), state.create("float32", shape)),
  ]) {
    await using state = DeviceState.beside(session)!
    work(state)
    await state.flush().catch((error: ScoreSdeError) => codes.push(error.code))
  }
  return codes
}

function stepSession(): Promise<Session> {
  const graph = correctorGraph(picture, new ScoreSdeVeScheduler().config.snr)
  const bytes = encodeWithExternalData(graph, "", weightLayout(graph))
  return createSession({ bytes }, { device: "webgpu", sessionOptions: onDeviceOnly })
}

/** A corrector step on the device, and by the scheduler; with a score of zeros, which must not move the sample. */
export async function corrections(): Promise<Compared> {
  const scheduler = new ScoreSdeVeScheduler()
  await using session = await stepSession()
  await using state = DeviceState.beside(session)!
  const [sample, score, noise] = [1, 2, 3].map(seed => new PhiloxGenerator(seed).randn(shape))
  const zeros = { ...score!, data: new Float32Array(score!.data.length) }
  const expected: number[] = []
  for (const modelOutput of [score!, zeros]) {
    const on = (tensor: Tensor<"float32">) => state.create("float32", shape, tensor.data)
    const prevSample = state.create("float32", shape)
    state.run(
      session,
      { sample: on(sample!), modelOutput: on(modelOutput), noise: on(noise!) },
      { prevSample },
    )
    state.read(prevSample)
    expected.push(...scheduler.stepCorrect(modelOutput, sample!, { noise }).prevSample.data)
  }
  const { tensors } = await state.flush()
  return { found: tensors.flatMap(({ data }) => Array.from(data, Number)), expected }
}

/** Two steps on the device, and by the scheduler: the sample, its mean, and the next label. */
export async function steps(of: "ve" | "ddpm"): Promise<Compared> {
  const { labels, linear, clip, step } = of === "ve" ? veSteps() : ddpmSteps()
  const graph = linearStepGraph(picture, stepCount + 1, clip)
  const bytes = encodeWithExternalData(graph, "", weightLayout(graph))
  await using session = await createSession({ bytes }, { device: "webgpu", sessionOptions: onDeviceOnly })
  await using state = DeviceState.beside(session)!
  const [start, output, noise] = [1, 2, 3].map(seed => new PhiloxGenerator(seed).randn(shape))
  const on = (tensor: Tensor<"float32">) => state.create("float32", shape, tensor.data)
  const [modelOutput, z] = [on(output!), on(noise!)]
  const table = state.create("float32", [stepCount + 1, stepColumns], stepTable(linear, labels))
  let sample = on(start!)
  let index = state.create("float32", [1])
  let timestep = state.create("float32", [2], Float32Array.of(1, 1))
  const expected: number[] = []
  let expectedSample = start!
  for (let i = 0; i < 2; i++) {
    const prevSample = state.create("float32", shape)
    const prevSampleMean = state.create("float32", shape)
    const nextStep = state.create("float32", [1])
    const nextTimestep = state.create("float32", [2])
    state.run(
      session,
      { sample, modelOutput, noise: z, timestep, table, step: index },
      { prevSample, prevSampleMean, nextStep, nextTimestep },
    )
    for (const tensor of [prevSample, prevSampleMean, nextTimestep]) state.read(tensor)
    sample = prevSample
    index = nextStep
    timestep = nextTimestep
    const prev = step(i, output!, expectedSample, noise!)
    const mean = step(i, output!, expectedSample, { ...noise!, data: new Float32Array(noise!.data.length) })
    const label = labels[i + 1]!
    expected.push(...prev.data, ...mean.data, label, label)
    expectedSample = prev
  }
  const { tensors } = await state.flush()
  return { found: tensors.flatMap(({ data }) => Array.from(data, Number)), expected }
}

interface Steps {
  readonly labels: ArrayLike<number>
  readonly linear: readonly LinearStep[]
  readonly clip: number | null
  /** The scheduler's own step number `i`. */
  readonly step: (
    i: number,
    modelOutput: Tensor<"float32">,
    sample: Tensor<"float32">,
    noise: Tensor<"float32">,
  ) => Tensor<"float32">
}

function veSteps(): Steps {
  const scheduler = new ScoreSdeVeScheduler({ sigmaMax: 30 })
  scheduler.setTimesteps(stepCount)
  scheduler.setSigmas(stepCount)
  const { timesteps, sigmas } = scheduler
  return {
    labels: sigmas,
    linear: Array.from(timesteps, t => scheduler.linearStep(t)),
    clip: null,
    step: (i, output, sample, noise) =>
      scheduler.stepPred(output, timesteps[i]!, sample, { noise }).prevSample,
  }
}

function ddpmSteps(): Steps {
  const scheduler = new DDPMScheduler()
  scheduler.setTimesteps(stepCount)
  const { timesteps, clip } = scheduler
  return {
    labels: timesteps,
    linear: Array.from(timesteps, t => scheduler.linearStep(t)!),
    clip,
    step: (i, output, sample, noise) => scheduler.step(output, timesteps[i]!, sample, { noise }).prevSample,
  }
}
