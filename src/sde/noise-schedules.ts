import { InputError } from "../errors.ts"
import { checkSteps } from "./step-count.ts"

/** The noise levels between which to sample. */
export interface SigmaRange {
  /** The last but one level: 0 follows. Greater than 0. */
  readonly sigmaMin: number
  /** The first level. */
  readonly sigmaMax: number
  /** The number of steps; at least 2. */
  readonly steps: number
}

/**
 * The noise levels of EDM: σᵢ = (σmax^(1/ρ) + i/(N−1)·(σmin^(1/ρ) − σmax^(1/ρ)))^ρ, then 0 (Karras et al. 2022,
 * equation 5).
 *
 * @param rho - The greater, the more of the steps are near σmin. Default 7.
 * @returns `steps` + 1 numbers, descending.
 * @throws InputError `INVALID_ARGUMENT`
 */
export function edmSigmas({
  rho = 7,
  ...range
}: SigmaRange & { readonly rho?: number | undefined }): Float64Array {
  if (!(rho > 0)) throw new InputError("INVALID_ARGUMENT", `rho is ${rho}, but must be greater than 0.`)
  return descent(range, part => {
    const [greatest, least] = [range.sigmaMax ** (1 / rho), range.sigmaMin ** (1 / rho)]
    return (greatest + part * (least - greatest)) ** rho
  })
}

/** Noise levels in equal ratios, then 0, as score_sde has them for VE (Karras et al. 2022, table 1). */
export function veSigmas(range: SigmaRange): Float64Array {
  return descent(range, part => range.sigmaMax * (range.sigmaMin / range.sigmaMax) ** part)
}

/**
 * The noise levels of VP at even times from 1 down to `epsS`, then 0 (Karras et al. 2022, table 1).
 *
 * @param epsS - The time of σmin. Default 1e-3.
 */
export function vpSigmas({
  epsS = 1e-3,
  ...range
}: SigmaRange & { readonly epsS?: number | undefined }): Float64Array {
  const schedule = vpSchedule({ ...range, epsS })
  return descent(range, part => schedule.sigma(1 + part * (epsS - 1)))
}

/** `steps` noise levels at even parts of the way, and 0. */
function descent({ sigmaMin, sigmaMax, steps }: SigmaRange, sigma: (part: number) => number): Float64Array {
  checkSteps("steps", steps)
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Number.POSITIVE_INFINITY)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `sigmaMin is ${sigmaMin} and sigmaMax ${sigmaMax}, but 0 < sigmaMin < sigmaMax must hold.`,
    )
  }
  return Float64Array.from({ length: steps + 1 }, (_, i) => (i === steps ? 0 : sigma(i / (steps - 1))))
}

/** The noise level σ(t) and the scale s(t) of the path that a solver follows: x(t) = s(t)·(picture + σ(t)·z). */
export interface NoiseSchedule {
  readonly sigma: (t: number) => number
  /** dσ/dt. */
  readonly sigmaDot: (t: number) => number
  /** The time of a noise level. */
  readonly time: (sigma: number) => number
  readonly scale: (t: number) => number
  /** ds/dt. */
  readonly scaleDot: (t: number) => number
}

/** σ = t, s = 1: the path of EDM and of DDIM, the straightest. */
export const edmSchedule: NoiseSchedule = {
  sigma: t => t,
  sigmaDot: () => 1,
  time: sigma => sigma,
  scale: () => 1,
  scaleDot: () => 0,
}

/** σ = √t, s = 1: the path of VE. */
export const veSchedule: NoiseSchedule = {
  ...edmSchedule,
  sigma: Math.sqrt,
  sigmaDot: t => 0.5 / Math.sqrt(t),
  time: sigma => sigma ** 2,
}

/** What {@link vpSchedule} is determined by. */
export interface VpScheduleOptions {
  readonly sigmaMin: number
  readonly sigmaMax: number
  /** The time of σmin; that of σmax is 1. Default 1e-3. */
  readonly epsS?: number | undefined
}

/** σ = √(exp(½β_d·t² + β_min·t) − 1), s = 1/√(σ² + 1): the path of VP. */
export function vpSchedule({ sigmaMin, sigmaMax, epsS = 1e-3 }: VpScheduleOptions): NoiseSchedule {
  const [atMin, atMax] = [Math.log1p(sigmaMin ** 2), Math.log1p(sigmaMax ** 2)]
  const betaD = (2 * (atMin / epsS - atMax)) / (epsS - 1)
  const betaMin = atMax - 0.5 * betaD
  const sigma = (t: number) => Math.sqrt(Math.expm1(0.5 * betaD * t ** 2 + betaMin * t))
  const sigmaDot = (t: number) => 0.5 * (betaMin + betaD * t) * (sigma(t) + 1 / sigma(t))
  const scale = (t: number) => 1 / Math.sqrt(sigma(t) ** 2 + 1)
  return {
    sigma,
    sigmaDot,
    time: level => (Math.sqrt(betaMin ** 2 + 2 * betaD * Math.log1p(level ** 2)) - betaMin) / betaD,
    scale,
    scaleDot: t => -sigma(t) * sigmaDot(t) * scale(t) ** 3,
  }
}
