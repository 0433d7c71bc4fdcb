import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { type Likelihood, type LikelihoodOptions, likelihood } from "../../src/sde/likelihood.ts"
import { colorization, inpainting } from "../../src/sde/measurements.ts"
import { type Network, type NetworkVjp, scoreDivergence, scoreFunction } from "../../src/sde/network-score.ts"
import { odeSampler } from "../../src/sde/ode-sampler.ts"
import { pcSampler } from "../../src/sde/pc-sampler.ts"
import { projectedSampler } from "../../src/sde/projected-sampler.ts"
import type { Samples } from "../../src/sde/sampler-run.ts"
import type { SDE } from "../../src/sde/sde.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import { elementCount, type Tensor } from "../../src/tensor.ts"
import { formula } from "./mixture.ts"

// The runs that are described in files of score_sde's numbers, for any network: the entries of fixtures/sde/make.py,
// and those that were made in the same way with score_sde's own networks.

/** A run of the PC sampler. */
export interface PcEntry {
  readonly sde: string
  readonly predictor: string
  readonly corrector: string
  readonly n_steps: number
  readonly N: number
  readonly probability_flow: boolean
  readonly continuous: boolean
}

/** A run of the inpainter or the colorizer. */
export interface ConditionalEntry {
  readonly task: string
  readonly sde: string
  readonly predictor: string
  readonly corrector: string
  readonly n_steps: number
  readonly N: number
}

/** The SDE of an entry. */
export function sdeOf(kind: string, N: number): SDE {
  if (kind === "ve") return new VESDE({ sigmaMin: 0.01, sigmaMax: 50, N })
  return kind === "vp" ? new VPSDE({ N }) : new SubVPSDE({ N })
}

/** The data of the entries, scaled for the kind of SDE. */
export function dataOf(kind: string, shape: readonly number[]): Tensor<"float32"> {
  return formula(j => {
    const x = 0.5 + 0.4 * Math.cos(0.05 * j)
    return kind === "ve" ? x : 2 * x - 1
  }, shape)
}

/** The mask of the entries. */
export function maskOf(shape: readonly number[]): Tensor<"float32"> {
  return formula(j => (Math.sin(0.9 * j) > 0 ? 1 : 0), shape)
}

export function runPc(
  entry: PcEntry,
  network: Network,
  shape: readonly number[],
  denoise: boolean,
): Promise<Samples> {
  const sde = sdeOf(entry.sde, entry.N)
  return pcSampler({
    sde,
    score: scoreFunction(sde, network, { continuous: entry.continuous }),
    predictor: entry.predictor,
    corrector: entry.corrector,
    snr: 0.16,
    nStepsEach: entry.n_steps,
    probabilityFlow: entry.probability_flow,
    denoise,
    shape,
    generator: new TorchGenerator(0),
  })
}

export function runConditional(
  entry: ConditionalEntry,
  network: Network,
  shape: readonly number[],
  denoise: boolean,
): Promise<Samples> {
  const sde = sdeOf(entry.sde, entry.N)
  const data = dataOf(entry.sde, shape)
  return projectedSampler({
    sde,
    score: scoreFunction(sde, network),
    measurement: entry.task === "inpaint" ? inpainting(data, maskOf(shape)) : colorization(data),
    compat: true,
    predictor: entry.predictor,
    corrector: entry.corrector,
    snr: 0.16,
    nStepsEach: entry.n_steps,
    denoise,
    generator: entry.task === "inpaint" ? new TorchGenerator(0) : new ColorizerGenerator(0),
  })
}

/**
 * The draws of score_sde's colorizer. After the first they are laid out in memory as its pictures are, with the channels
 * last, which PyTorch fills one by one, in the way that it also makes fewer than 16 numbers.
 */
export class ColorizerGenerator extends TorchGenerator {
  #first = true

  override randn(shape: readonly number[]): Tensor<"float32"> {
    if (this.#first) {
      this.#first = false
      return super.randn(shape)
    }
    const [batch = 1, channels = 1, ...sides] = shape
    const pixels = elementCount(sides)
    const data = new Float32Array(elementCount(shape))
    for (let i = 0; i < batch * pixels; i++) {
      const { data: colors } = super.randn([channels])
      const [b, p] = [Math.floor(i / pixels), i % pixels]
      for (let c = 0; c < channels; c++) data[(b * channels + c) * pixels + p] = colors[c]!
    }
    return { dtype: "float32", shape, data }
  }
}

export function runOde(
  entry: { readonly sde: string; readonly N: number; readonly eps: number; readonly denoise: boolean },
  network: Network,
  shape: readonly number[],
): Promise<Samples> {
  const sde = sdeOf(entry.sde, entry.N)
  const scale = entry.sde === "ve" ? 50 : 1
  return odeSampler({
    sde,
    score: scoreFunction(sde, network),
    latents: formula(j => scale * Math.SQRT2 * Math.sin(0.37 * j + 0.5), shape),
    eps: entry.eps,
    denoise: entry.denoise,
  })
}

export function runLikelihood(
  entry: { readonly sde: string },
  network: NetworkVjp,
  shape: readonly number[],
  probe: Pick<LikelihoodOptions, "probe" | "generator">,
): Promise<Likelihood> {
  const sde = sdeOf(entry.sde, 1000)
  return likelihood({
    sde,
    divergence: scoreDivergence(sde, network),
    x: dataOf(entry.sde, shape),
    range: entry.sde === "ve" ? [0, 1] : [-1, 1],
    ...probe,
  })
}
