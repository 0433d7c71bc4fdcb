import { InputError } from "../errors.ts"
import { checkCount } from "../schedulers/checks.ts"
import { linspace } from "../schedulers/float32.ts"
import type { Tensor } from "../tensor.ts"
import { times } from "./batch.ts"
import { describeTime } from "./checked-output.ts"
import { checkedUpdate } from "./checked-update.ts"
import { type Corrector, type CorrectorName, resolveCorrector } from "./correctors.ts"
import { type Predictor, type PredictorName, resolvePredictor, type Update } from "./predictors.ts"
import { type SamplerOptions, SamplerRun, type Samples } from "./sampler-run.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/** Settings of predictor–corrector sampling. Pipelines have defaults of their own: what their model is for. */
export interface PcSettings {
  /** By a name or as an object; null is `none`. Default `reverse_diffusion`. */
  readonly predictor?: PredictorName | Predictor | null | undefined
  /** By a name or as an object; null is `none`. Default `none`. */
  readonly corrector?: CorrectorName | Corrector | null | undefined
  /** The signal-to-noise ratio of the corrector: the length of its steps; typically 0.05 to 0.2. Default 0.16. */
  readonly snr?: number | undefined
  /** Corrector steps at each time, before the predictor's. Default 1. */
  readonly nStepsEach?: number | undefined
  /** Whether the predictor follows the probability-flow ODE. Default false. */
  readonly probabilityFlow?: boolean | undefined
  /** Whether to return the last step's mean, without the noise that it adds. Default true. */
  readonly denoise?: boolean | undefined
  /** The time at which to stop, in (0, T). Default `sde.samplingEps`. */
  readonly eps?: number | undefined
}

/** Options of {@link pcSampler}. */
export interface PcSamplerOptions extends SamplerOptions, PcSettings {
  /** Its N is the number of steps. */
  readonly sde: SDE
  readonly score: ScoreFunction
}

/**
 * Predictor–corrector sampling (Song et al. 2021, algorithm 1), with the corrector first at each time, as score_sde
 * has it.
 *
 * x is returned as the SDE has it. With the predictor `none` it keeps the corrector's last noise, as in score_sde.
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export function pcSampler(options: PcSamplerOptions): Promise<Samples> {
  return predictorCorrector(options, {})
}

/** What changes a sample between the steps of {@link predictorCorrector}. */
export interface Interventions {
  readonly start?: (x: Tensor<"float32">, t: Float32Array, run: SamplerRun) => Tensor<"float32">
  /** After each update of the corrector and of the predictor. */
  readonly afterUpdate?: (update: Update, t: Float32Array, run: SamplerRun) => Update
}

/** The loop of {@link pcSampler}, open for what a conditional sampler does between its steps. */
export async function predictorCorrector(
  options: PcSamplerOptions,
  { start = x => x, afterUpdate = update => update }: Interventions,
): Promise<Samples> {
  const { sde, snr = 0.16, nStepsEach = 1, probabilityFlow = false, denoise = true } = options
  const { eps = sde.samplingEps, predictor: chosen = "reverse_diffusion" } = options
  const predictor = resolvePredictor(chosen, sde, probabilityFlow)
  const corrector = resolveCorrector(options.corrector ?? "none", sde)
  const [predictorName, correctorName] = [named("predictor", chosen), named("corrector", options.corrector)]
  if (!(snr > 0)) throw new InputError("INVALID_ARGUMENT", `snr is ${snr}, but must be greater than 0.`)
  checkCount("nStepsEach", nStepsEach, 1, 1_000_000)
  checkEps(eps, sde)

  const run = new SamplerRun(options, sde.N)
  const { generator } = run
  const score = run.watch(options.score, t => describeTime(sde, t))

  let x = run.start((shape, generator) => sde.priorSampling(shape, generator))
  x = start(x, times(x, sde.T), run)
  let mean = x
  for (const time of linspace(sde.T, eps, sde.N)) {
    const t = times(x, time)
    const corrected = await corrector.update(x, t, { sde, score, snr, nSteps: nStepsEach, generator })
    ;({ x } = afterUpdate(checkedUpdate(correctorName, corrected, x), t, run))
    const predicted = await predictor.update(x, t, { sde, score, probabilityFlow, generator })
    ;({ x, mean } = afterUpdate(checkedUpdate(predictorName, predicted, x), t, run))
    x = await run.endStep(time, x, mean)
  }
  return { x: denoise ? mean : x, nfe: run.nfe }
}

/** What errors call a predictor or a corrector. */
function named(kind: string, chosen: unknown): string {
  return typeof chosen === "string" ? `the ${kind} ${chosen}` : `the ${kind}`
}

/** @throws InputError `INVALID_ARGUMENT` when `eps` is not between the ends of time. */
export function checkEps(eps: number, sde: SDE): void {
  if (!(eps > 0 && eps < sde.T)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `eps is ${eps}, but must be greater than 0 and less than ${sde.T}.`,
    )
  }
}
