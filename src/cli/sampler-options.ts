import { type Command, Option } from "commander"
import { type SamplerSettings, samplerNames } from "../pipelines/sampler-settings.ts"
import { number, wholeNumber } from "./option-values.ts"

/** The choice of a sampler, as the command line has it. */
export interface SamplerArguments
  extends Omit<SamplerSettings, "predictor" | "corrector" | "denoise" | "probabilityFlow"> {
  readonly predictor?: string
  readonly corrector?: string
  readonly denoise?: "yes" | "no"
  readonly probabilityFlow?: true
}

const predictors = ["euler_maruyama", "reverse_diffusion", "ancestral_sampling", "none"]
const correctors = ["langevin", "ald", "none"]

function chosen(flags: string, text: string, names: readonly string[]): Option {
  return new Option(flags, text).choices(names)
}

/** Adds the options of predictor–corrector sampling, where it is the only sampler. */
export function addPcOptions(command: Command): void {
  command
    .optionsGroup("Sampler:")
    .addOption(chosen("--predictor <name>", predictors.join(", "), predictors))
    .addOption(chosen("--corrector <name>", correctors.join(", "), correctors))
    .option("--snr <x>", "length of the corrector's steps, such as 0.16", number)
    .option("--n-steps-each <n>", "corrector steps for each predictor step", wholeNumber(1))
    .option("--probability-flow", "the predictor follows the ODE")
    .addOption(chosen("--denoise <yes|no>", "remove the last noise (default: yes)", ["yes", "no"]))
    .option("--eps <t>", "the time at which sampling ends", number)
}

/** Adds the options of another sampler than the pipeline's own. */
export function addSamplerOptions(command: Command): void {
  command
    .optionsGroup("Sampler:")
    .addOption(
      chosen("--sampler <name>", `another than the pipeline's own: ${samplerNames.join(", ")}`, samplerNames),
    )
    .addOption(chosen("--predictor <name>", `pc: ${predictors.join(", ")}`, predictors))
    .addOption(chosen("--corrector <name>", `pc: ${correctors.join(", ")}`, correctors))
    .option("--snr <x>", "pc: length of the corrector's steps, such as 0.16", number)
    .option("--n-steps-each <n>", "pc: corrector steps for each predictor step", wholeNumber(1))
    .option("--probability-flow", "pc: the predictor follows the ODE")
    .addOption(
      chosen("--denoise <yes|no>", "pc, ode: remove the last noise (default: yes, no)", ["yes", "no"]),
    )
    .option("--eps <t>", "pc, ode: the time at which sampling ends", number)
    .option("--rtol <x>", "ode: relative tolerance (default: 1e-5)", number)
    .option("--atol <x>", "ode: absolute tolerance (default: 1e-5)", number)
    .addOption(
      chosen("--step-size <batch|sample>", "ode: the same steps for all, or each its own", [
        "batch",
        "sample",
      ]),
    )
    .addOption(
      chosen("--schedule <edm|ve|vp>", "the others: how the noise falls (default: edm)", ["edm", "ve", "vp"]),
    )
    .option("--rho <x>", "schedule edm: more gives more steps at low noise (default: 7)", number)
    .option("--sigma-min <x>", "the others: the last noise level (default: the model's)", number)
    .option("--sigma-max <x>", "the others: the first noise level (default: the model's)", number)
    .option("--eta <x>", "ddim, dpmpp_2m_sde: how much noise is replaced (default: 0, 1)", number)
    .option("--s-churn <x>", "stochastic_heun: how much noise is added and removed", number)
    .option("--s-tmin <x>", "stochastic_heun: from which noise level on", number)
    .option("--s-tmax <x>", "stochastic_heun: up to which noise level", number)
    .option("--s-noise <x>", "stochastic_heun, dpmpp_2m_sde: deviation of added noise (default: 1)", number)
}

/** The arguments as options of a pipeline's call. */
export function samplerSettingsOf(options: SamplerArguments): SamplerSettings {
  const { sampler, predictor, corrector, snr, nStepsEach, probabilityFlow, denoise, eps, rtol, atol } =
    options
  const { stepSize, schedule, rho, sigmaMin, sigmaMax, eta, sChurn, sTmin, sTmax, sNoise } = options
  return {
    ...{ sampler, predictor, corrector, snr, nStepsEach, probabilityFlow, eps, rtol, atol, stepSize },
    ...{ schedule, rho, sigmaMin, sigmaMax, eta, sChurn, sTmin, sTmax, sNoise },
    denoise: denoise === undefined ? undefined : denoise === "yes",
  }
}
