// What is to be made, and how.
import type { SamplerName, SamplerSettings } from "score-sde"

/** What the page does with the model. */
export type Mode = "sample" | "inpaint" | "colorize" | "interpolate"

/** The sampler's name as the library has it; `own` is the one that the model's pipeline brings. */
export type Sampler = "own" | SamplerName

export interface Settings {
  readonly mode: Mode
  readonly sampler: Sampler
  readonly steps: number
  readonly seed: number
  /** The other end of an interpolation. */
  readonly seedTo: number
  readonly count: number
}

interface SamplerFacts {
  readonly name: Sampler
  readonly label: string
  /** What is special about it, in a few words. */
  readonly note: string
  /** Steps that give a good picture; 0 where the sampler finds its own. */
  readonly steps: number
  /** Further settings of a call with it. */
  readonly more?: Omit<SamplerSettings, "sampler">
}

export const samplers: readonly SamplerFacts[] = [
  {
    name: "dpmpp_2m_sde",
    label: "DPM-Solver++ 2M SDE",
    note: "Order 2, with noise. Quick.",
    steps: 50,
  },
  {
    name: "pc",
    label: "Predictor–corrector",
    note: "The best, given time; few steps leave noise.",
    steps: 150,
  },
  {
    name: "own",
    label: "The pipeline’s own",
    note: "Step for step as Diffusers has it.",
    steps: 150,
  },
  {
    name: "stochastic_heun",
    label: "Stochastic Heun",
    note: "EDM’s algorithm 2. Two evaluations a step.",
    steps: 40,
    more: { sChurn: 40, sNoise: 1.003 },
  },
  { name: "ddim", label: "DDIM, η = 1", note: "Order 1, with noise.", steps: 60, more: { eta: 1 } },
  {
    name: "dpmpp_2m",
    label: "DPM-Solver++ 2M",
    note: "The ODE, order 2. For large models; small ones stray.",
    steps: 25,
  },
  {
    name: "heun",
    label: "Heun",
    note: "The ODE, by EDM’s algorithm 1. For large models; small ones stray.",
    steps: 18,
  },
  {
    name: "ode",
    label: "Probability flow",
    note: "The ODE, by adaptive Runge–Kutta, which finds its own steps. For large models; small ones stray.",
    steps: 0,
  },
]

export function samplerFacts(name: Sampler): SamplerFacts {
  return samplers.find(sampler => sampler.name === name)!
}

/** The samplers that a mode can use: only predictor–corrector can hold on to what is known of a picture. */
export function samplersFor(mode: Mode): readonly SamplerFacts[] {
  return edits(mode) ? [samplerFacts("pc")] : samplers
}

/** Whether a sampler finds its own steps, of which nobody knows ahead how many there are. */
export function isAdaptive(name: Sampler): boolean {
  return samplerFacts(name).steps === 0
}

/** Whether a mode starts from a picture. */
export function edits(mode: Mode): mode is "inpaint" | "colorize" {
  return mode === "inpaint" || mode === "colorize"
}

/** What a call gets to choose the sampler. */
export function samplerOptions(name: Sampler): SamplerSettings {
  return name === "own" ? {} : { sampler: name, ...samplerFacts(name).more }
}
