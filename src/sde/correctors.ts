import type { RandomGenerator } from "../random/generator.ts"
import type { Tensor } from "../tensor.ts"
import { meanNorm, weightedSum } from "./batch.ts"
import type { Update } from "./predictors.ts"
import { Registry } from "./registry.ts"
import type { ScoreFunction, SDE } from "./sde.ts"

/** What a corrector works with. */
export interface CorrectorContext {
  readonly sde: SDE
  readonly score: ScoreFunction
  /** The signal-to-noise ratio that sets the step size. */
  readonly snr: number
  /** The number of iterations. */
  readonly nSteps: number
  readonly generator: RandomGenerator
}

/** Steps of a Markov chain Monte Carlo method that moves x towards the distribution at the present time. */
export interface Corrector {
  /** Why the corrector is not defined here, as a clause; undefined where it is. */
  readonly undefinedFor?: (sde: SDE) => string | undefined
  /** The update of x at time t. Each draw of noise is shaped like x. */
  readonly update: (x: Tensor<"float32">, t: Float32Array, context: CorrectorContext) => Promise<Update>
}

/**
 * Langevin dynamics with the step size ε = 2α(snr·‖z‖/‖s‖)², both norms averaged over the batch, so that a sample
 * depends a little on its batch (Song et al. 2021, algorithms 4 and 5). Where the score is zero everywhere, ε has no
 * value: the sample stays.
 */
export const langevin: Corrector = {
  undefinedFor: noLangevinAlpha,
  async update(x, t, { sde, score, snr, nSteps, generator }) {
    const alpha = sde.langevinAlpha!(t)
    let mean = x
    for (let i = 0; i < nSteps; i++) {
      const s = await score(x, t)
      const z = generator.randn(x.shape)
      const length = (snr * meanNorm(z)) / meanNorm(s)
      if (length === Number.POSITIVE_INFINITY) continue
      ;({ x, mean } = langevinStep(
        x,
        s,
        z,
        alpha.map(a => 2 * a * length ** 2),
      ))
    }
    return { x, mean }
  },
}

/** The annealed Langevin dynamics of NCSN: ε = 2α(snr·std)² (Song & Ermon 2019, algorithm 1). */
export const annealedLangevin: Corrector = {
  undefinedFor: noLangevinAlpha,
  async update(x, t, { sde, score, snr, nSteps, generator }) {
    const alpha = sde.langevinAlpha!(t)
    const { std } = sde.marginalProb(x, t)
    const step = alpha.map((a, b) => 2 * a * (snr * std[b]!) ** 2)
    let mean = x
    for (let i = 0; i < nSteps; i++) {
      const s = await score(x, t)
      ;({ x, mean } = langevinStep(x, s, generator.randn(x.shape), step))
    }
    return { x, mean }
  },
}

/** No corrector: the predictor alone. */
export const noneCorrector: Corrector = {
  update: async x => ({ x, mean: x }),
}

/** x + ε·s + √(2ε)·z. */
function langevinStep(
  x: Tensor<"float32">,
  score: Tensor<"float32">,
  z: Tensor<"float32">,
  step: Float32Array,
): Update {
  const mean = weightedSum([1, x], [step, score])
  return { x: weightedSum([1, mean], [step.map(e => Math.sqrt(2 * e)), z]), mean }
}

function noLangevinAlpha(sde: SDE): string | undefined {
  return sde.langevinAlpha
    ? undefined
    : `${sde.name} does not say how long its steps are: it has no method \`langevinAlpha\``
}

/** The correctors of this library by their names in score_sde, and those that were registered. */
export type CorrectorName = "langevin" | "ald" | "none" | (string & {})

const correctors = new Registry<Corrector>(
  "corrector",
  "Add a method langevinAlpha(t) to the SDE that returns 1 for each time: plain Langevin dynamics.",
  { langevin, ald: annealedLangevin, none: noneCorrector },
)

/**
 * Makes a corrector known by a name, for `pcSampler` and the command line.
 *
 * @throws SdeError `DUPLICATE_NAME`
 */
export function registerCorrector(name: string, corrector: Corrector): void {
  correctors.register(name, corrector)
}

/**
 * The corrector of a name, or the one that is given, if it is defined for the SDE.
 *
 * @throws SdeError `UNKNOWN_NAME`, `UNDEFINED`
 */
export function resolveCorrector(corrector: CorrectorName | Corrector | null, sde: SDE): Corrector {
  return correctors.resolve(corrector, entry => entry.undefinedFor?.(sde))
}
