import { flag, number, type OptionList, oneOf } from "../check-options.ts"
import type { PcSettings } from "../sde/pc-sampler.ts"
import type { FlowSettings } from "../sde/probability-flow.ts"

/**
 * The samplers that any score model can be sampled with:
 *
 * - `pc`: predictor–corrector (Song et al. 2021, algorithm 1)
 * - `ode`: the probability-flow ODE with an adaptive solver (section 4.3 there)
 * - `heun`, `stochastic_heun`: EDM's algorithms 1 and 2 (Karras et al. 2022)
 * - `dpmpp_2m`, `dpmpp_2m_sde`: DPM-Solver++ of order 2, for the ODE and for the SDE (Lu et al. 2022)
 * - `ddim` (Song et al. 2020)
 */
export type SamplerName = "pc" | "ode" | "heun" | "stochastic_heun" | "dpmpp_2m" | "dpmpp_2m_sde" | "ddim"

/** How the noise falls in the samplers on a denoiser; for `heun`, also along which path. */
export type ScheduleName = "edm" | "ve" | "vp"

/**
 * The choice of another sampler than the pipeline's own, and its settings: those of {@link PcSettings} are for `pc`,
 * `rtol`, `atol` and `stepSize` for `ode`. A setting that the sampler doesn't have is refused.
 */
export interface SamplerSettings extends PcSettings, Pick<FlowSettings, "rtol" | "atol" | "stepSize"> {
  /**
   * Default: the pipeline's own sampler; where a setting of `pc` is given, `pc`. All but `ode`, which finds its own, take
   * `numInferenceSteps`; by default as many as the training for `pc`, 18 for `heun`, 40 for `stochastic_heun`, 20 for
   * `dpmpp_2m`, 30 for `dpmpp_2m_sde` and 50 for `ddim`.
   */
  readonly sampler?: SamplerName | undefined
  /** `pc`, where true is the default, and `ode`, where false is: whether the last noise is removed. */
  readonly denoise?: boolean | undefined
  /** `pc` and `ode`. The time at which sampling ends, in (0, T). Default: the SDE's. */
  readonly eps?: number | undefined
  /** All on a denoiser (`heun` and what follows it). EDM's is the default. */
  readonly schedule?: ScheduleName | undefined
  /** All on a denoiser, with the schedule `edm`: the greater, the more steps are at low noise. Default 7. */
  readonly rho?: number | undefined
  /** All on a denoiser. The last noise level before 0. Default: the model's least. */
  readonly sigmaMin?: number | undefined
  /** All on a denoiser. The first noise level. Default: the model's greatest. */
  readonly sigmaMax?: number | undefined
  /** `ddim` and `dpmpp_2m_sde`. How much noise is replaced: 0 none, 1 as the SDE does. Default 0 and 1. */
  readonly eta?: number | undefined
  /** `stochastic_heun`. How much noise is added and removed in all. Default 0. */
  readonly sChurn?: number | undefined
  /** `stochastic_heun`. The least noise level at which noise is added. Default 0. */
  readonly sTmin?: number | undefined
  /** `stochastic_heun`. The greatest. Default: as high as the model goes. */
  readonly sTmax?: number | undefined
  /** `stochastic_heun` and `dpmpp_2m_sde`. The deviation of the added noise. Default 1. */
  readonly sNoise?: number | undefined
}

/** The settings of `pc` as a caller without types gives them. */
export const pcOptions: OptionList<PcSettings>["options"] = {
  predictor: true,
  corrector: true,
  snr: number,
  nStepsEach: number,
  probabilityFlow: flag,
  denoise: flag,
  eps: number,
}

/** All settings as a caller without types gives them; names and functions are checked where they are looked up. */
export const samplerOptions: OptionList<SamplerSettings> = {
  type: "SamplerSettings",
  options: {
    sampler: true,
    ...pcOptions,
    rtol: number,
    atol: number,
    stepSize: oneOf("batch", "sample"),
    schedule: true,
    rho: number,
    sigmaMin: number,
    sigmaMax: number,
    eta: number,
    sChurn: number,
    sTmin: number,
    sTmax: number,
    sNoise: number,
  },
}

/** How a model is sampled with `pc` unless a call says otherwise. */
export type PcDefaults = Omit<PcSettings, "eps">

const onDenoiser = ["schedule", "rho", "sigmaMin", "sigmaMax"] as const

/** The settings that each sampler has. */
export const samplerSettings: {
  readonly [S in SamplerName]: readonly Exclude<keyof SamplerSettings, "sampler">[]
} = {
  pc: ["predictor", "corrector", "snr", "nStepsEach", "probabilityFlow", "denoise", "eps"],
  ode: ["rtol", "atol", "stepSize", "denoise", "eps"],
  heun: onDenoiser,
  stochastic_heun: [...onDenoiser, "sChurn", "sTmin", "sTmax", "sNoise"],
  dpmpp_2m: onDenoiser,
  dpmpp_2m_sde: [...onDenoiser, "eta", "sNoise"],
  ddim: [...onDenoiser, "eta"],
}

/** All samplers. */
export const samplerNames = Object.keys(samplerSettings) as readonly SamplerName[]

const settingNames = [...new Set(Object.values(samplerSettings).flat())]

/** The settings that a call gives. */
export function givenSettings(options: SamplerSettings): Omit<SamplerSettings, "sampler"> {
  return Object.fromEntries(
    settingNames.flatMap(name => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
}

/**
 * Whether a call asks for another sampler than the pipeline's own.
 *
 * @param own - A setting that the pipeline's own sampler has.
 */
export function choosesSampler(options: SamplerSettings, own?: keyof SamplerSettings): boolean {
  return options.sampler !== undefined || Object.keys(givenSettings(options)).some(name => name !== own)
}
