import {
  abortSignal,
  callback,
  checkOptions,
  flag,
  kind,
  labels,
  number,
  type OptionList,
  oneOf,
} from "../check-options.ts"
import { InputError } from "../errors.ts"
import { type ClassLabels, labelTensor } from "../models/class-labels.ts"
import { type GeneratorInput, resolveGenerator } from "../random/randn-tensor.ts"
import type { Seed } from "../random/seed.ts"
import { checkCount, checkSameShape } from "../schedulers/checks.ts"
import { weightedSum } from "../sde/batch.ts"
import { dequantize } from "../sde/dequantization.ts"
import { type Likelihood, likelihood } from "../sde/likelihood.ts"
import { odeEncoder, odeSampler } from "../sde/ode-sampler.ts"
import type { FlowProgress, FlowSettings } from "../sde/probability-flow.ts"
import { checkTensor, isTensor, type Tensor } from "../tensor.ts"
import { firstNonFinite } from "../weights/finite.ts"
import { batchesOf, joinRows, takeRows } from "./batches.ts"
import type { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { OutputType, PipelineOutput, SamplingProgress } from "./options.ts"
import { type PictureInput, pictureTensor } from "./picture-input.ts"
import { checkOutputType, pictureOutput } from "./picture-output.ts"
import type { ScoreModel } from "./score-model.ts"

/** How a pipeline's probability-flow ODE is followed. */
export interface FlowOptions extends Omit<FlowSettings, "onProgress"> {
  /** Pictures computed together. By default up to 16 small ones. */
  readonly batchSize?: number | undefined
  /** For a class-conditional network: the class of the pictures, as for a call. */
  readonly classLabels?: ClassLabels | undefined
  /** The time of the data's end, in (0, T). Default: the SDE's; 1e-5 for a likelihood. */
  readonly eps?: number | undefined
  /** Hears thousandths of the way, over all batches and probes. */
  readonly onProgress?: ((progress: SamplingProgress) => void) | undefined
}

/** Options of {@link DiffusionPipeline.likelihood}. */
export interface PictureLikelihoodOptions extends FlowOptions {
  /**
   * The distribution of the random probes of the divergence; a probe itself, shaped like the pictures; or "exact", which
   * takes as many evaluations as a picture has numbers. Default "rademacher".
   */
  readonly probe?: "rademacher" | "gaussian" | "exact" | Tensor<"float32"> | undefined
  /** How many random probes to average over, each with a solution of its own. Default 1. */
  readonly probes?: number | undefined
  /** Whether to make densities of 8-bit colours by uniform noise below one level. Default true. */
  readonly dequantize?: boolean | undefined
  /** Makes the noise and the probes repeatable: picture i's depend only on the seed and i. */
  readonly seed?: Seed | undefined
  /** A generator, or one per picture, in place of a seed. */
  readonly generator?: GeneratorInput | undefined
}

/** What {@link DiffusionPipeline.encode} returns. */
export interface EncodedPictures {
  /** [N, C, H, W]; with the deviation of the SDE's noise at its end. */
  readonly latents: Tensor<"float32">
  /** Evaluations of the network, each on a batch. */
  readonly nfe: number
}

/** Options of {@link DiffusionPipeline.decode}. */
export interface DecodeOptions<T extends OutputType = "image"> extends FlowOptions {
  /** Whether to remove the noise that is left at `eps`. Default false. */
  readonly denoise?: boolean | undefined
  readonly outputType?: T | undefined
}

const flowOptions: OptionList<FlowOptions> = {
  type: "FlowOptions",
  options: {
    batchSize: number,
    classLabels: labels,
    rtol: number,
    atol: number,
    eps: number,
    maxSteps: number,
    stepSize: oneOf("batch", "sample"),
    signal: abortSignal,
    onProgress: callback,
  },
}

const likelihoodOptions: OptionList<PictureLikelihoodOptions> = {
  type: "PictureLikelihoodOptions",
  options: {
    ...flowOptions.options,
    probe: kind(
      value => isTensor(value) || value === "rademacher" || value === "gaussian" || value === "exact",
      '"rademacher", "gaussian", "exact" or a tensor',
    ),
    probes: number,
    dequantize: flag,
    seed: true,
    generator: true,
  },
}

const decodeOptions: OptionList<DecodeOptions> = {
  type: "DecodeOptions",
  options: { ...flowOptions.options, denoise: flag, outputType: true },
}

/** See {@link DiffusionPipeline.likelihood}. */
export async function pictureLikelihood(
  pipe: DiffusionPipeline,
  pictures: PictureInput,
  options: PictureLikelihoodOptions,
): Promise<Likelihood> {
  checkOptions("likelihood", options, likelihoodOptions)
  const {
    batchSize,
    classLabels,
    probes = 1,
    probe,
    dequantize: dequantizes = true,
    seed,
    generator,
    ...settings
  } = options
  const { range, shape } = pipe.scoreModel({ signal: settings.signal })
  const images = pictureTensor(pictures, shape)
  const modelOf = batchModels(pipe, options, images)
  if (typeof probe === "object") checkSameShape("probe", probe, "the pictures", images)
  checkCount("probes", probes, 1, 10_000)
  const batches = batchesOf(images, batchSize)
  const source = resolveGenerator({ seed, generator }, "philox")
  const progress = new FlowReport(batches.length * probes, options.onProgress)
  const results: Likelihood[] = []
  let first = 0
  for (const batch of batches) {
    const count = batch.shape[0]!
    const random = source.nextBatch(count)
    const { sde, divergence } = modelOf(batch, first)
    results.push(
      await likelihood({
        ...settings,
        sde,
        divergence,
        x: inRange(dequantizes ? dequantize(batch, random) : batch, range),
        range,
        generator: random,
        probes,
        probe: typeof probe === "object" ? takeRows(probe, first, count) : probe,
        onProgress: step => progress.add(step),
      }),
    )
    first += count
  }
  const errors = results.map(result => result.standardError)
  return {
    bitsPerDim: joined(results.map(result => result.bitsPerDim)),
    standardError: errors[0] && joined(errors as Float64Array[]),
    latents: joinRows(results.map(result => result.latents)),
    nfe: results.reduce((sum, result) => sum + result.nfe, 0),
  }
}

/** See {@link DiffusionPipeline.encode}. */
export async function encodePictures(
  pipe: DiffusionPipeline,
  pictures: PictureInput,
  options: FlowOptions,
): Promise<EncodedPictures> {
  checkOptions("encode", options, flowOptions)
  const { batchSize, classLabels, onProgress, ...settings } = options
  const { range, shape } = pipe.scoreModel({ signal: settings.signal })
  const images = inRange(pictureTensor(pictures, shape), range)
  const modelOf = batchModels(pipe, options, images)
  const batches = batchesOf(images, batchSize)
  const progress = new FlowReport(batches.length, onProgress)
  const parts: Tensor<"float32">[] = []
  let [first, nfe] = [0, 0]
  for (const x of batches) {
    const { sde, score } = modelOf(x, first)
    const end = await odeEncoder({ ...settings, sde, score, x, onProgress: step => progress.add(step) })
    parts.push(end.x)
    first += x.shape[0]!
    nfe += end.nfe
  }
  return { latents: joinRows(parts), nfe }
}

/** See {@link DiffusionPipeline.decode}. */
export async function decodeLatents<T extends OutputType>(
  pipe: DiffusionPipeline,
  latents: Tensor<"float32">,
  options: DecodeOptions<T>,
): Promise<PipelineOutput<T>> {
  checkOptions("decode", options, decodeOptions)
  const { batchSize, classLabels, onProgress, outputType, ...settings } = options
  checkOutputType(outputType)
  const { range, shape } = pipe.scoreModel({ signal: settings.signal })
  checkLatents(latents, shape)
  const modelOf = batchModels(pipe, options, latents)
  const batches = batchesOf(latents, batchSize)
  const progress = new FlowReport(batches.length, onProgress)
  const parts: Tensor<"float32">[] = []
  let [first, nfe] = [0, 0]
  for (const batch of batches) {
    const { sde, score } = modelOf(batch, first)
    const onStep = (step: FlowProgress): void => progress.add(step)
    const end = await odeSampler({ ...settings, sde, score, latents: batch, onProgress: onStep })
    parts.push(end.x)
    first += batch.shape[0]!
    nfe += end.nfe
  }
  return pictureOutput(joinRows(parts), range, nfe, outputType)
}

/** The score models of batches, each with the labels of its pictures where the network is class-conditional. */
function batchModels(
  pipe: DiffusionPipeline,
  { classLabels, signal }: FlowOptions,
  all: Tensor,
): (batch: Tensor, first: number) => ScoreModel {
  const labels = labelTensor(classLabels, pipe.unet.classInput, all.shape[0]!)
  return ({ shape: [count = 0] }, first) =>
    pipe.scoreModel({ signal, classLabels: labels && takeRows(labels, first, count) })
}

function checkLatents(latents: Tensor, shape: readonly number[]): void {
  checkTensor("latents", latents)
  const [count = 0, ...rest] = latents.shape
  if (latents.dtype !== "float32" || count === 0 || rest.join() !== shape.join()) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `The latents are ${latents.dtype} [${latents.shape.join(", ")}], but must be float32 [N, ${shape.join(", ")}].`,
    )
  }
  const index = firstNonFinite(latents.data as Float32Array)
  if (index >= 0) throw new InputError("INVALID_ARGUMENT", `The latents hold ${latents.data[index]}.`)
}

/** Pictures of [0, 1] in a model's range. */
function inRange(x: Tensor<"float32">, [black, white]: readonly [number, number]): Tensor<"float32"> {
  if (black === 0 && white === 1) return x
  const scaled = weightedSum([white - black, x])
  return { ...scaled, data: scaled.data.map(value => value + black) }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap(part => [...part]))
}

const thousand = 1000

/** Progress over several solutions of an ODE, one after the other. */
class FlowReport {
  readonly #solutions: number
  readonly #onProgress: ((progress: SamplingProgress) => void) | undefined
  #begun = 0
  #nfe = 0

  constructor(solutions: number, onProgress: ((progress: SamplingProgress) => void) | undefined) {
    this.#solutions = solutions
    this.#onProgress = onProgress
  }

  add({ t, from, to, nfe }: FlowProgress): void {
    if (nfe === 1) this.#begun++
    this.#nfe++
    const step = Math.floor(thousand * (this.#begun - 1 + (t - from) / (to - from)))
    this.#onProgress?.({ step, totalSteps: thousand * this.#solutions, nfe: this.#nfe })
  }
}
