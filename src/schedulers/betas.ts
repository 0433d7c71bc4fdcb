import { cumulativeProduct, f32, linspace } from "./float32.ts"

/** The ways to choose the variances βₜ of a discrete diffusion. */
export type BetaSchedule = "linear" | "scaled_linear" | "squaredcos_cap_v2" | "laplace" | "sigmoid"

/** What the variances are made from. */
export interface BetaOptions {
  readonly numTrainTimesteps: number
  readonly betaStart: number
  readonly betaEnd: number
  readonly betaSchedule: BetaSchedule
  readonly trainedBetas: readonly number[] | null
  readonly rescaleBetasZeroSnr: boolean
}

/** βₜ of every training timestep, float32, as Diffusers computes them. */
export function createBetas(options: BetaOptions): Float32Array {
  const { trainedBetas, rescaleBetasZeroSnr } = options
  const betas = trainedBetas === null ? scheduledBetas(options) : Float32Array.from(trainedBetas)
  return rescaleBetasZeroSnr ? rescaleToZeroTerminalSnr(betas) : betas
}

function scheduledBetas({
  numTrainTimesteps: count,
  betaStart,
  betaEnd,
  betaSchedule,
}: BetaOptions): Float32Array {
  switch (betaSchedule) {
    case "linear":
      return linspace(betaStart, betaEnd, count)
    case "scaled_linear":
      return linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), count).map(root => root * root)
    case "squaredcos_cap_v2":
      return betasForAlphaBar(count, t => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2)
    case "laplace":
      return betasForAlphaBar(count, laplaceAlphaBar)
    case "sigmoid": {
      const range = f32(betaEnd - betaStart)
      return linspace(-6, 6, count).map(x => f32(f32(1 / (1 + Math.exp(-x))) * range) + f32(betaStart))
    }
  }
}

/** The βₜ whose 1 − βₜ multiply to ᾱ(t), t from 0 to 1; none above 0.999. */
function betasForAlphaBar(count: number, alphaBar: (t: number) => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999),
  )
}

function laplaceAlphaBar(t: number): number {
  const sign = 0.5 - t < 0 ? -1 : 1
  const snr = Math.exp(-0.5 * sign * Math.log(1 - 2 * Math.abs(0.5 - t) + 1e-6))
  return Math.sqrt(snr / (1 + snr))
}

/** Shifts and scales √ᾱ so that nothing of the signal is left at the last timestep (Lin et al. 2023, algorithm 1). */
function rescaleToZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulativeProduct(betas.map(beta => 1 - beta)).map(Math.sqrt)
  const first = roots[0]!
  const last = roots.at(-1)!
  const scale = f32(first / f32(first - last))
  const alphasBar = roots.map(root => f32(f32(root - last) * scale) ** 2)
  return alphasBar.map((alphaBar, i) => 1 - (i === 0 ? alphaBar : f32(alphaBar / alphasBar[i - 1]!)))
}
