import { InputError } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { weightedSum } from "../sde/batch.ts"
import { ddimSampler } from "../sde/ddim.ts"
import { denoiserFromScore } from "../sde/denoiser.ts"
import type { DenoiserSamplerOptions } from "../sde/denoiser-run.ts"
import { dpmpp2mSampler, dpmpp2mSdeSampler } from "../sde/dpm-solver.ts"
import { heunSampler } from "../sde/heun.ts"
import type { Measurement } from "../sde/measurements.ts"
import {
  edmSchedule,
  edmSigmas,
  type NoiseSchedule,
  type SigmaRange,
  veSchedule,
  veSigmas,
  vpSchedule,
  vpSigmas,
} from "../sde/noise-schedules.ts"
import { odeSampler } from "../sde/ode-sampler.ts"
import { pcSampler } from "../sde/pc-sampler.ts"
import type { FlowProgress } from "../sde/probability-flow.ts"
import { projectedSampler } from "../sde/projected-sampler.ts"
import type { SamplerState, Samples } from "../sde/sampler-run.ts"
import type { ScoreFunction, SDE } from "../sde/sde.ts"
import { checkSteps } from "../sde/step-count.ts"
import { stochasticHeunSampler } from "../sde/stochastic-heun.ts"
import type { Tensor } from "../tensor.ts"
import type { DiffusionPipeline } from "./diffusion-pipeline.ts"
import type { OutputType, PipelineOutput, SamplingOptions, StepState } from "./options.ts"
import {
  givenSettings,
  type SamplerName,
  type SamplerSettings,
  type ScheduleName,
  samplerNames,
  samplerSettings,
} from "./sampler-settings.ts"
import { Sampling } from "./sampling.ts"
import type { ScoreModel } from "./score-model.ts"

/** What is known of the pictures that are to be made. */
export interface Condition {
  /** The score of pictures of a label, in place of the model's. */
  readonly score?: ScoreFunction | undefined
  /** What a picture that is to be restored still tells; for the sampler `pc`. One for each picture of the call. */
  readonly measurement?: Measurement | undefined
  /** Whether the measurement is held to as score_sde does it. */
  readonly compat?: boolean | undefined
}

/** One call with a sampler of the score. */
interface Run extends Pick<Condition, "measurement" | "compat"> {
  readonly settings: SamplerSettings
  readonly model: ScoreModel
  readonly score: ScoreFunction
  readonly steps: number
  /** Standard normal noise to start from, in place of drawn noise. */
  readonly noise: Tensor<"float32"> | undefined
  readonly signal: AbortSignal | undefined
  readonly shape: readonly number[]
  readonly generator: RandomGenerator
  readonly onStepEnd: (state: SamplerState) => Promise<Tensor<"float32">>
  readonly onProgress: (progress: FlowProgress) => void
}

/**
 * Makes pictures with a sampler of the pipeline's score model.
 *
 * @param condition - What is known of them, given the model; nothing by default.
 */
export async function sampleScore<T extends OutputType>(
  pipe: DiffusionPipeline,
  options: SamplingOptions<T>,
  condition: (model: ScoreModel) => Condition | Promise<Condition> = () => ({}),
): Promise<PipelineOutput<T>> {
  const sampler = chosenSampler(options)
  const { numInferenceSteps, latents: noise, classLabels, signal } = options
  if (numInferenceSteps !== undefined && sampler !== "ode") checkSteps("numInferenceSteps", numInferenceSteps)
  const model = pipe.scoreModel({ classLabels, signal, ...(sampler === "pc" && { N: numInferenceSteps }) })
  const steps = stepCount(sampler, numInferenceSteps, model)
  const { score = model.score, measurement, compat } = await condition(model)
  const batchSize = measurement ? measurement.data.shape[0] : options.batchSize
  const sampling = new Sampling(pipe, pipe.unet, { ...options, batchSize }, steps)

  let end: StepState | undefined
  const { x } = await samplers[sampler]({
    settings: { ...(sampler === "pc" && model.pc), ...givenSettings(options) },
    model,
    score: sampling.counted(score),
    measurement,
    compat,
    steps,
    noise,
    signal,
    shape: sampling.shape,
    generator: sampling.generator,
    async onStepEnd({ time, x, denoised }) {
      end = await sampling.endStep(time, { latents: x, denoised })
      return end.latents
    },
    onProgress: ({ t, from, to }) => sampling.report(Math.round((steps * (from - t)) / (from - to))),
  })
  const denoise = sampler === "pc" && (options.denoise ?? model.pc?.denoise ?? true)
  // What the callback put in the place of the last state counts.
  const last = denoise ? end?.denoised : end?.latents
  return sampling.output(last ?? x, model.range)
}

const defaultSteps = { heun: 18, stochastic_heun: 40, dpmpp_2m: 20, dpmpp_2m_sde: 30, ddim: 50 } as const

// How long the solver's way is reported to be, whose steps nobody knows ahead.
const flowSteps = 1000

function stepCount(sampler: SamplerName, asked: number | undefined, { sde }: ScoreModel): number {
  if (sampler === "pc") return sde.N
  return sampler === "ode" ? flowSteps : (asked ?? defaultSteps[sampler])
}

const samplers: { readonly [S in SamplerName]: (run: Run) => Promise<Samples> } = {
  pc: run => {
    const { predictor, corrector, snr, nStepsEach, probabilityFlow, denoise, eps } = run.settings
    const settings = { predictor, corrector, snr, nStepsEach, probabilityFlow, denoise, eps }
    const options = { ...sdeOptions(run), ...settings, onStepEnd: run.onStepEnd }
    const { measurement, compat } = run
    return measurement ? projectedSampler({ ...options, measurement, compat }) : pcSampler(options)
  },
  ode: run => {
    const { rtol, atol, stepSize, denoise, eps } = run.settings
    const settings = { rtol, atol, stepSize, denoise, eps }
    return odeSampler({ ...sdeOptions(run), ...settings, onProgress: run.onProgress })
  },
  heun: run => heunSampler({ ...denoiserOptions(run), schedule: noisePath(run) }),
  stochastic_heun: run => {
    const { sChurn = 0, sTmin, sTmax = Number.POSITIVE_INFINITY, sNoise } = run.settings
    const options = denoiserOptions(run)
    // A step first goes up to more noise, which the model has to know.
    const highest = greatestSigma(run.model.sde) / (1 + Math.min(sChurn / run.steps, Math.SQRT2 - 1))
    return stochasticHeunSampler({ ...options, sChurn, sTmin, sTmax: Math.min(sTmax, highest), sNoise })
  },
  dpmpp_2m: run => dpmpp2mSampler(denoiserOptions(run)),
  dpmpp_2m_sde: run => {
    const { eta, sNoise } = run.settings
    return dpmpp2mSdeSampler({ ...denoiserOptions(run), eta, sNoise })
  },
  ddim: run => ddimSampler({ ...denoiserOptions(run), eta: run.settings.eta }),
}

/** What the samplers on the SDE take. */
function sdeOptions({ model: { sde }, score, noise, signal, shape, generator }: Run) {
  const latents = noise && sde.priorSampling(noise.shape, drawing(noise, generator))
  return { sde, score, latents, shape, generator, signal }
}

/** A generator whose next normal numbers are these. */
function drawing(noise: Tensor<"float32">, generator: RandomGenerator): RandomGenerator {
  return {
    randn: () => noise,
    rand: shape => generator.rand(shape),
    randint: (low, high, shape) => generator.randint(low, high, shape),
    nextBatch: size => generator.nextBatch(size),
  }
}

/** What the samplers on a denoiser take. */
function denoiserOptions(run: Run): DenoiserSamplerOptions {
  const { model, score, noise, signal, shape, generator, onStepEnd, settings } = run
  const sigmas = schedules[scheduleOf(run)].sigmas({ ...sigmaRange(run), rho: settings.rho })
  return {
    denoiser: denoiserFromScore(model.sde, score),
    sigmas,
    latents: noise && weightedSum([sigmas[0]!, noise]),
    shape,
    generator,
    signal,
    onStepEnd,
  }
}

interface Schedule {
  readonly sigmas: (options: SigmaRange & { readonly rho?: number | undefined }) => Float64Array
  readonly path: (range: SigmaRange) => NoiseSchedule
}

const schedules: { readonly [S in ScheduleName]: Schedule } = {
  edm: { sigmas: edmSigmas, path: () => edmSchedule },
  ve: { sigmas: veSigmas, path: () => veSchedule },
  vp: { sigmas: vpSigmas, path: vpSchedule },
}

function scheduleOf({ settings: { schedule = "edm", rho } }: Run): ScheduleName {
  if (!Object.hasOwn(schedules, schedule)) {
    throw new InputError("INVALID_ARGUMENT", `There is no schedule "${schedule}".`, {
      hint: `It is one of ${Object.keys(schedules).join(", ")}.`,
    })
  }
  if (rho !== undefined && schedule !== "edm") {
    throw new InputError("INVALID_ARGUMENT", `The schedule ${schedule} has no rho.`, {
      hint: "Leave it out.",
    })
  }
  return schedule
}

function noisePath(run: Run): NoiseSchedule {
  return schedules[scheduleOf(run)].path(sigmaRange(run))
}

function sigmaRange({ settings, model: { sde }, steps }: Run): SigmaRange {
  const { sigmaMin = sde.noiseLevel(sde.samplingEps).sigma, sigmaMax = greatestSigma(sde) } = settings
  return { sigmaMin, sigmaMax, steps }
}

function greatestSigma(sde: SDE): number {
  return sde.noiseLevel(sde.T).sigma
}

/**
 * The sampler that a call asks for, all of whose settings are its own.
 *
 * @throws InputError `INVALID_ARGUMENT`
 */
function chosenSampler(options: SamplerSettings): SamplerName {
  const { sampler = "pc" } = options
  if (!samplerNames.includes(sampler)) {
    throw new InputError("INVALID_ARGUMENT", `There is no sampler "${sampler}".`, {
      hint: `It is one of ${samplerNames.join(", ")}.`,
    })
  }
  const has = (name: SamplerName, setting: string) => samplerSettings[name].some(own => own === setting)
  const foreign = Object.keys(givenSettings(options)).find(setting => !has(sampler, setting))
  if (foreign === undefined) return sampler
  const owners = samplerNames.filter(name => has(name, foreign))
  throw new InputError(
    "INVALID_ARGUMENT",
    options.sampler === undefined
      ? `${foreign} is a setting of another sampler than the pipeline's own.`
      : `The sampler ${sampler} has no ${foreign}.`,
    { hint: `${owners.join(", ")} ${owners.length === 1 ? "has" : "have"} it.` },
  )
}
