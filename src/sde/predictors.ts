import type { RandomGenerator } from "../random/generator.ts"
import type { Tensor } from "../tensor.ts"
import { weightedSum } from "./batch.ts"
import { Registry } from "./registry.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/** What a predictor or a corrector returns. */
export interface Update {
  /** The new sample. */
  readonly x: Tensor<"float32">
  /** The same before the noise of the update was added. */
  readonly mean: Tensor<"float32">
}

/** What a predictor works with. */
export interface PredictorContext {
  readonly sde: SDE
  readonly score: ScoreFunction
  readonly probabilityFlow: boolean
  readonly generator: RandomGenerator
}

/** A step of a solver of the reverse SDE, from time t to the next, T/N earlier. */
export interface Predictor {
  /** Why the predictor is not defined here, as a clause; undefined where it is. */
  readonly undefinedFor?: (sde: SDE, probabilityFlow: boolean) => string | undefined
  /** The update of x at time t. Each draw of noise is shaped like x. */
  readonly update: (x: Tensor<"float32">, t: Float32Array, context: PredictorContext) => Promise<Update>
}

/** x + drift·dt, and noise of deviation g·√−dt (Song et al. 2021, section 4.1). */
export const eulerMaruyama: Predictor = {
  async update(x, t, { sde, score, probabilityFlow, generator }) {
    const dt = -sde.T / sde.N
    const z = generator.randn(x.shape)
    const { drift, diffusion } = await sde.reverse(score, { probabilityFlow }).sde(x, t)
    const mean = weightedSum([1, x], [dt, drift])
    return { x: weightedSum([1, mean], [diffusion.map(g => g * Math.sqrt(-dt)), z]), mean }
  },
}

/** The chain's own discretisation, run backwards (Song et al. 2021, appendix E). */
export const reverseDiffusion: Predictor = {
  async update(x, t, { sde, score, probabilityFlow, generator }) {
    const { f, G } = await sde.reverse(score, { probabilityFlow }).discretize(x, t)
    const z = generator.randn(x.shape)
    const mean = weightedSum([1, x], [-1, f])
    return { x: weightedSum([1, mean], [G, z]), mean }
  },
}

/** The ancestral sampling of SMLD and DDPM (Song et al. 2021, appendix F). */
export const ancestralSampling: Predictor = {
  undefinedFor(sde, probabilityFlow) {
    if (!sde.ancestral) return `${sde.name} is not the limit of a chain: it has no method \`ancestral\``
    return probabilityFlow ? "ancestral steps draw noise, and the probability flow has none" : undefined
  },
  async update(x, t, { sde, score, generator }) {
    const { mean, std } = sde.ancestral!(x, t, await score(x, t))
    const z = generator.randn(x.shape)
    return { x: weightedSum([1, mean], [std, z]), mean }
  },
}

/** No predictor: the corrector alone, as in NCSN. */
export const nonePredictor: Predictor = {
  update: async x => ({ x, mean: x }),
}

/** The predictors of this library by their names in score_sde, and those that were registered. */
export type PredictorName =
  | "euler_maruyama"
  | "reverse_diffusion"
  | "ancestral_sampling"
  | "none"
  | (string & {})

const predictors = new Registry<Predictor>(
  "predictor",
  "euler_maruyama and reverse_diffusion are defined for every SDE.",
  {
    euler_maruyama: eulerMaruyama,
    reverse_diffusion: reverseDiffusion,
    ancestral_sampling: ancestralSampling,
    none: nonePredictor,
  },
)

/**
 * Makes a predictor known by a name, for `pcSampler` and the command line.
 *
 * @throws SdeError `DUPLICATE_NAME`
 */
export function registerPredictor(name: string, predictor: Predictor): void {
  predictors.register(name, predictor)
}

/**
 * The predictor of a name, or the one that is given, if it is defined for the SDE.
 *
 * @throws SdeError `UNKNOWN_NAME`, `UNDEFINED`
 */
export function resolvePredictor(
  predictor: PredictorName | Predictor | null,
  sde: SDE,
  probabilityFlow: boolean,
): Predictor {
  return predictors.resolve(predictor, entry => entry.undefinedFor?.(sde, probabilityFlow))
}
