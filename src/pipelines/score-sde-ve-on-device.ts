import { encodeWithExternalData } from "../graph/encode.ts"
import type { Graph } from "../graph/types.ts"
import { weightLayout } from "../graph/weight-layout.ts"
import type { NetworkModel } from "../models/network-model.ts"
import { networkNames } from "../models/network-names.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { PhiloxGenerator } from "../random/philox-generator.ts"
import { TorchGenerator } from "../random/torch-generator.ts"
import { DeviceState } from "../runtime/device-state.ts"
import { noiseStream, streamWords } from "../runtime/gpu-noise.ts"
import { mayFallBack } from "../runtime/ort-errors.ts"
import { createSession, type Session } from "../runtime/session.ts"
import type { ScoreSdeVeScheduler } from "../schedulers/score-sde-ve.ts"
import { correctorGraph, predictorGraph, stepColumns } from "../schedulers/score-sde-ve-graphs.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import type { OutputType } from "./options.ts"
import type { Sampling } from "./sampling.ts"

/**
 * The sampler of `ScoreSdeVePipeline` with its state on the network's device: sample, score and noise never leave it,
 * and with a `PhiloxGenerator`, whose noise is made there too, a step copies nothing to it. The noise of another
 * generator is made here and sent there. Up to rounding, the numbers are those of the loop in `score-sde-ve.ts`.
 *
 * @returns The final picture; `undefined` where the state can't be on the device, or can't any more since that was lost
 *   or is full, and sampling can begin anew without.
 */
export async function sampleVeOnDevice<T extends OutputType>(
  unet: Pick<NetworkModel, "session" | "companionOptions">,
  scheduler: ScoreSdeVeScheduler,
  sampling: Sampling<T>,
): Promise<Tensor<"float32"> | undefined> {
  const { session } = unet
  const state = DeviceState.beside(session)
  if (!state || !takesFloats(session)) return undefined
  await using _ = state
  // As long as nothing is drawn, there is nothing to take back.
  let rewind: (() => void) | undefined = () => {}
  try {
    // A device that was lost since the last call tells here.
    await state.flush(sampling.signal)
    rewind = rewinding(sampling.generator)
    return await sample(state, session, unet, scheduler, sampling)
  } catch (error) {
    if (!(rewind && mayFallBack(error))) throw error
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
  session: Session,
  unet: Pick<NetworkModel, "session" | "companionOptions">,
  scheduler: ScoreSdeVeScheduler,
  sampling: Sampling<T>,
): Promise<Tensor<"float32"> | undefined> {
  const { shape, signal } = sampling
  const [batch, ...picture] = shape
  const { timesteps, sigmas, config } = scheduler
  const load = (graph: Graph): Promise<Session> =>
    createSession(
      { bytes: encodeWithExternalData(graph, "", weightLayout(graph)) },
      { ...unet.companionOptions, device: session.device, ...(signal && { signal }) },
    )
  await using corrector = await load(correctorGraph(picture, config.snr))
  await using predictor = await load(predictorGraph(picture, timesteps.length))

  const generator =
    sampling.generator instanceof PhiloxGenerator ? sampling.generator.clone() : sampling.generator
  const start = sampling.start(scheduler.initNoiseSigma, generator)
  const rows = Float32Array.from({ length: (timesteps.length + 1) * stepColumns }, (_, i) => {
    const row = Math.min(Math.floor(i / stepColumns), timesteps.length - 1)
    const g = scheduler.diffusion(timesteps[row]!)
    return [sigmas[row]!, g, Math.fround(g * g)][i % stepColumns]!
  })
  const picturesOf = (data?: Float32Array) => state.create("float32", shape, data)
  let [x, spare] = [picturesOf(start.data), picturesOf()]
  const [score, noise, mean] = [picturesOf(), picturesOf(), picturesOf()]
  const table = state.create("float32", [timesteps.length + 1, stepColumns], rows)
  let [step, nextStep] = [state.create("float32", [1]), state.create("float32", [1])]
  const labels = new Float32Array(batch).fill(sigmas[0]!)
  let [timestep, nextTimestep] = [
    state.create("float32", [batch], labels),
    state.create("float32", [batch], labels),
  ]
  const stream =
    generator instanceof PhiloxGenerator
      ? state.create(
          "int32",
          [streamWords],
          noiseStream(generator.seed, generator, batch, elementCount(picture)),
        )
      : undefined

  const evaluate = (): void =>
    state.run(
      session,
      { [networkNames.sample]: x, [networkNames.timestep]: timestep },
      { [networkNames.output]: score },
    )
  const draw = (): void => {
    if (stream) state.draw(stream, noise)
    else state.write(noise, generator.randn(shape).data)
  }
  for (const i of timesteps.keys()) {
    for (let j = 0; j < config.correctSteps; j++) {
      evaluate()
      draw()
      state.run(corrector, { sample: x, modelOutput: score, noise }, { prevSample: spare })
      ;[x, spare] = [spare, x]
    }
    evaluate()
    if (i === 0) state.read(score)
    draw()
    state.run(
      predictor,
      { sample: x, modelOutput: score, noise, timestep, table, step },
      { prevSample: spare, prevSampleMean: mean, nextStep, nextTimestep },
    )
    ;[x, spare] = [spare, x]
    ;[step, nextStep] = [nextStep, step]
    ;[timestep, nextTimestep] = [nextTimestep, timestep]
    const { tensors } = await state.flush(signal)
    // A network that can't compute in its device's numbers mostly fails at once.
    for (const tensor of tensors) sampling.requireFinite(tensor as Tensor<"float32">, sigmas[i]!)
    sampling.reportStep(config.correctSteps + 1)
  }
  state.read(mean)
  const { tensors } = await state.flush(signal)
  const picturesRead = tensors[0] as Tensor<"float32">
  sampling.requireFinite(picturesRead, sigmas.at(-1)!)
  return picturesRead
}

/** Whether the network takes and gives float32 numbers, and nothing but a sample and its noise level. */
function takesFloats({ inputs, outputs }: Session): boolean {
  const rank = (name: string): number | undefined =>
    inputs.find(input => input.name === name && input.dtype === "float32")?.shape.length
  return (
    inputs.length === 2 &&
    rank(networkNames.sample) === 4 &&
    rank(networkNames.timestep) === 1 &&
    outputs.length === 1 &&
    outputs[0]!.name === networkNames.output &&
    outputs[0]!.dtype === "float32"
  )
}
