import { encodeWithExternalData } from "../graph/encode.ts"
import type { Graph } from "../graph/types.ts"
import { weightLayout } from "../graph/weight-layout.ts"
import type { NetworkModel } from "../models/network-model.ts"
import { networkNames } from "../models/network-names.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { PhiloxGenerator } from "../random/philox-generator.ts"
import { TorchGenerator } from "../random/torch-generator.ts"
import { DeviceState, type DeviceTensor } from "../runtime/device-state.ts"
import { RuntimeError } from "../runtime/errors.ts"
import { noiseStream, streamWords } from "../runtime/gpu-noise.ts"
import { mayFallBack } from "../runtime/ort-errors.ts"
import { createSession, type Session } from "../runtime/session.ts"
import type { LinearStep } from "../schedulers/linear-step.ts"
import { correctorGraph, linearStepGraph, stepColumns, stepTable } from "../schedulers/step-graphs.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import type { OutputType } from "./options.ts"
import type { Sampling } from "./sampling.ts"

/** A sampler whose steps are sums, as data. */
export interface LinearSampler {
  /** Standard deviation of the noise that sampling starts from. */
  readonly initNoiseSigma: number
  /** What the network is told at each step. */
  readonly labels: ArrayLike<number>
  readonly steps: readonly LinearStep[]
  /** Where the predicted x₀ is clamped, if it is. */
  readonly clip: number | null
  /** Langevin steps of `ScoreSdeVeScheduler` before each step. */
  readonly corrector?: { readonly snr: number; readonly steps: number }
  /** Which of the last step's results is the picture. */
  readonly result: "prevSample" | "prevSampleMean"
}

type Network = Pick<NetworkModel, "session" | "companionOptions">

/**
 * A sampler's loop with its state on the network's device: sample, score and noise never leave it, and with a
 * `PhiloxGenerator`, whose noise is made there too, a step copies nothing to it. The noise of a `TorchGenerator` that
 * only this call knows is made beside the device, in its worker; that of any other generator is made here and sent
 * there. Up to rounding, the numbers are those of the loops in the pipelines.
 *
 * @returns The final picture; `undefined` where the state can't be on the device, or can't any more since that was lost
 *   or is full or the model has moved, and sampling can begin anew without.
 */
export async function sampleOnDevice<T extends OutputType>(
  network: Network,
  sampler: LinearSampler,
  sampling: Sampling<T>,
): Promise<Tensor<"float32"> | undefined> {
  const { session } = network
  const state = DeviceState.beside(session)
  if (!state || !takesFloats(session, sampling.shape)) return undefined
  await using _ = state
  // As long as nothing is drawn, there is nothing to take back.
  let rewind: (() => void) | undefined = () => {}
  try {
    // A device that was lost since the last call tells here.
    await state.flush(sampling.signal)
    rewind = rewinding(sampling.generator)
    return await sample(state, network, sampler, sampling)
  } catch (error) {
    // A model that has moved in between goes on where it is now.
    const moved = error instanceof RuntimeError && error.code === "DISPOSED" && network.session !== session
    if (!(rewind && (moved || mayFallBack(error)))) throw error
    rewind()
    sampling.restart()
    return undefined
  }
}

/** What takes a generator back to where it is now; undefined for kinds whose noise is gone once it is drawn. */
function rewinding(generator: RandomGenerator): (() => void) | undefined {
  // It is cloned before it is used.
  if (generator instanceof PhiloxGenerator) return () => {}
  if (!(generator instanceof TorchGenerator)) return undefined
  const state = generator.getState()
  return () => void generator.setState(state)
}

async function sample<T extends OutputType>(
  state: DeviceState,
  { session, companionOptions }: Network,
  { initNoiseSigma, labels, steps, clip, corrector, result }: LinearSampler,
  sampling: Sampling<T>,
): Promise<Tensor<"float32"> | undefined> {
  const { shape, signal } = sampling
  const [batch, ...picture] = shape
  const load = (graph: Graph): Promise<Session> =>
    createSession(
      { bytes: encodeWithExternalData(graph, "", weightLayout(graph)) },
      { ...companionOptions, device: session.device, ...(signal && { signal }) },
    )
  await using correct = corrector?.steps ? await load(correctorGraph(picture, corrector.snr)) : undefined
  await using predict = await load(linearStepGraph(picture, steps.length + 1, clip))

  const generator =
    sampling.generator instanceof PhiloxGenerator ? sampling.generator.clone() : sampling.generator
  const picturesOf = (data?: Float32Array) => state.create("float32", shape, data)
  let [x, spare] = [picturesOf(sampling.start(initNoiseSigma, generator).data), picturesOf()]
  const [output, noise, mean] = [picturesOf(), picturesOf(), picturesOf()]
  const draw = drawing(state, generator, sampling.ownsGenerator, shape)
  const table = state.create("float32", [steps.length + 1, stepColumns], stepTable(steps, labels))
  let [step, nextStep] = [state.create("float32", [1]), state.create("float32", [1])]
  const label = () => state.create("float32", [batch], new Float32Array(batch).fill(labels[0]!))
  let [timestep, nextTimestep] = [label(), label()]

  const evaluate = (): void =>
    state.run(
      session,
      { [networkNames.sample]: x, [networkNames.timestep]: timestep },
      { [networkNames.output]: output },
    )
  for (const [i, { onNoise }] of steps.entries()) {
    for (let j = 0; correct && j < corrector!.steps; j++) {
      evaluate()
      draw(noise)
      state.run(correct, { sample: x, modelOutput: output, noise }, { prevSample: spare })
      ;[x, spare] = [spare, x]
    }
    evaluate()
    if (i === 0) state.read(output)
    if (onNoise !== undefined) draw(noise)
    state.run(
      predict,
      { sample: x, modelOutput: output, noise, timestep, table, step },
      { prevSample: spare, prevSampleMean: mean, nextStep, nextTimestep },
    )
    ;[x, spare] = [spare, x]
    ;[step, nextStep] = [nextStep, step]
    ;[timestep, nextTimestep] = [nextTimestep, timestep]
    const { tensors } = await state.flush(signal)
    // A network that can't compute in its device's numbers mostly fails at once.
    for (const tensor of tensors) sampling.requireFinite(tensor as Tensor<"float32">, labels[i]!)
    sampling.reportStep((corrector?.steps ?? 0) + 1)
  }
  state.read(result === "prevSample" ? x : mean)
  const { tensors } = await state.flush(signal)
  const pictures = tensors[0] as Tensor<"float32">
  sampling.requireFinite(pictures, labels[steps.length - 1]!)
  return pictures
}

/** Fills a tensor with the generator's next draw: on the device or beside it where that can be, else from here. */
function drawing(
  state: DeviceState,
  generator: RandomGenerator,
  owned: boolean,
  shape: readonly number[],
): (into: DeviceTensor) => void {
  const [batch, ...picture] = shape
  if (generator instanceof PhiloxGenerator) {
    const words = noiseStream(generator.seed, generator, batch!, elementCount(picture))
    const stream = state.create("int32", [streamWords], words)
    return into => state.draw(stream, into)
  }
  if (owned && generator instanceof TorchGenerator) {
    const stream = state.createTorchStream(generator.getState())
    return into => state.draw(stream, into)
  }
  return into => state.write(into, generator.randn(shape).data)
}

/** Whether the network takes and gives float32 pictures of this shape, and takes nothing but them and a label. */
function takesFloats({ inputs, outputs }: Session, shape: readonly number[]): boolean {
  const rank = (name: string): number | undefined =>
    inputs.find(input => input.name === name && input.dtype === "float32")?.shape.length
  const [output, ...others] = outputs
  return (
    inputs.length === 2 &&
    rank(networkNames.sample) === 4 &&
    rank(networkNames.timestep) === 1 &&
    others.length === 0 &&
    output?.name === networkNames.output &&
    output.dtype === "float32" &&
    output.shape[1] === shape[1]
  )
}
