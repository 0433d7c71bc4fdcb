import { type RandomOptions, resolveGenerator } from "../random/randn-tensor.ts"
import type { Tensor } from "../tensor.ts"
import { times, weightedSum } from "./batch.ts"
import { checkedScore } from "./checked-output.ts"
import { checkEps } from "./pc-sampler.ts"
import { type FlowSettings, followFlow } from "./probability-flow.ts"
import { type Samples, type StartOptions, startShape } from "./sampler-run.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/** What both directions of the probability-flow ODE need. */
export interface OdeSettings extends FlowSettings {
  readonly sde: SDE
  readonly score: ScoreFunction
  /** The time of the data's end, in (0, T). Default `sde.samplingEps`. */
  readonly eps?: number | undefined
}

/** Options of {@link odeSampler}. */
export interface OdeSamplerOptions extends OdeSettings, StartOptions, RandomOptions {
  /** Whether to take one step of `reverse_diffusion` at eps at the end, without its noise. Default false. */
  readonly denoise?: boolean | undefined
}

/** Options of {@link odeEncoder}. */
export interface OdeEncoderOptions extends OdeSettings {
  /** [B, …], in the range that the model was trained on. */
  readonly x: Tensor<"float32">
}

/**
 * Samples by the probability-flow ODE (Song et al. 2021, section 4.3): from noise at T, drawn or given, down to eps.
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function odeSampler(options: OdeSamplerOptions): Promise<Samples> {
  const { sde, denoise = false, eps = sde.samplingEps } = options
  checkEps(eps, sde)
  const latents = options.latents ?? sde.priorSampling(startShape(options), resolveGenerator(options))
  const { x, nfe } = await flow(options, latents, [sde.T, eps])
  if (!denoise) return { x, nfe }
  const { f } = await sde.reverse(checkedScore(options.score, sde)).discretize(x, times(x, eps))
  return { x: weightedSum([1, x], [-1, f]), nfe: nfe + 1 }
}

/**
 * The latents of data: the other way along the probability-flow ODE, from eps up to T. `odeSampler` leads back.
 *
 * @throws InputError, SdeError; AbortError
 */
export async function odeEncoder(options: OdeEncoderOptions): Promise<Samples> {
  const { sde, x, eps = sde.samplingEps } = options
  startShape({ latents: x })
  checkEps(eps, sde)
  const { x: latents, nfe } = await flow(options, x, [eps, sde.T])
  return { x: latents, nfe }
}

function flow(settings: OdeSettings, x: Tensor<"float32">, span: readonly [number, number]) {
  const { sde } = settings
  const reverse = sde.reverse(checkedScore(settings.score, sde), { probabilityFlow: true })
  return followFlow((x, t) => reverse.sde(x, t), x, span, settings)
}
