// Runs in a page: tensors that stay on the device.
import { encodeWithExternalData } from "../../../src/graph/encode.ts"
import { weightLayout } from "../../../src/graph/weight-layout.ts"
import { PhiloxGenerator } from "../../../src/random/philox-generator.ts"
import { DeviceState } from "../../../src/runtime/device-state.ts"
import { noiseStream, streamWords } from "../../../src/runtime/gpu-noise.ts"
import { createSession, type Session } from "../../../src/runtime/session.ts"
import { ScoreSdeVeScheduler } from "../../../src/schedulers/score-sde-ve.ts"
import { correctorGraph, predictorGraph, stepColumns } from "../../../src/schedulers/score-sde-ve-graphs.ts"
import { elementCount, type Tensor } from "../../../src/tensor.ts"

const picture = [3, 5, 7] as const
const shape = [2, ...picture]
const steps = 4

/** The numbers of a tensor that stands beside what it should be. */
export interface Compared {
  readonly found: readonly number[]
  readonly expected: readonly number[]
}

/** Three draws on the device, and by the generator that they should equal. */
export async function draws(seed: string, sample: number, draw: number): Promise<Compared> {
  await using session = await stepSession()
  await using state = DeviceState.beside(session)!
  const generator = new PhiloxGenerator(BigInt(seed), { sample, draw })
  const words = noiseStream(generator.seed, generator, shape[0]!, elementCount(picture))
  const stream = state.create("int32", [streamWords], words)
  const noise = state.create("float32", shape)
  for (let i = 0; i < 3; i++) {
    state.draw(stream, noise)
    state.read(noise)
  }
  const { tensors } = await state.flush()
  const expected = [0, 1, 2].flatMap(() => [...generator.randn(shape).data])
  return { found: tensors.flatMap(({ data }) => Array.from(data, Number)), expected }
}

function stepSession(): Promise<Session> {
  const graph = correctorGraph(picture, new ScoreSdeVeScheduler().config.snr)
  const bytes = encodeWithExternalData(graph, "", weightLayout(graph))
  // Nothing of a step may run on the CPU, since that would copy its tensors.
  const sessionOptions = { extra: { session: { disable_cpu_ep_fallback: "1" } } }
  return createSession({ bytes }, { device: "webgpu", sessionOptions })
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

/** Two predictor steps on the device, and by the scheduler: the sample, its mean, and the next noise level. */
export async function predictions(): Promise<Compared> {
  const scheduler = new ScoreSdeVeScheduler({ sigmaMax: 30 })
  scheduler.setTimesteps(steps)
  scheduler.setSigmas(steps)
  const graph = predictorGraph(picture, steps)
  const bytes = encodeWithExternalData(graph, "", weightLayout(graph))
  await using session = await createSession({ bytes }, { device: "webgpu" })
  await using state = DeviceState.beside(session)!
  const rows = Float32Array.from({ length: (steps + 1) * stepColumns }, (_, i) => {
    const row = Math.min(Math.floor(i / stepColumns), steps - 1)
    const g = scheduler.diffusion(scheduler.timesteps[row]!)
    return [scheduler.sigmas[row]!, g, g * g][i % stepColumns]!
  })
  const [start, score, noise] = [1, 2, 3].map(seed => new PhiloxGenerator(seed).randn(shape))
  const on = (tensor: Tensor<"float32">) => state.create("float32", shape, tensor.data)
  const [modelOutput, z] = [on(score!), on(noise!)]
  const table = state.create("float32", [steps + 1, stepColumns], rows)
  let sample = on(start!)
  let step = state.create("float32", [1])
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
      { sample, modelOutput, noise: z, timestep, table, step },
      { prevSample, prevSampleMean, nextStep, nextTimestep },
    )
    for (const tensor of [prevSample, prevSampleMean, nextTimestep]) state.read(tensor)
    sample = prevSample
    step = nextStep
    timestep = nextTimestep
    const t = scheduler.timesteps[i]!
    const one = scheduler.stepPred(score!, t, expectedSample, { noise })
    const sigma = scheduler.sigmas[i + 1]!
    expected.push(...one.prevSample.data, ...one.prevSampleMean.data, sigma, sigma)
    expectedSample = one.prevSample
  }
  const { tensors } = await state.flush()
  return { found: tensors.flatMap(({ data }) => Array.from(data, Number)), expected }
}
