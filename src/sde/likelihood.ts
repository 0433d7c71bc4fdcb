import { InputError } from "../errors.ts"
import type { RandomGenerator } from "../random/generator.ts"
import { type RandomOptions, resolveGenerator } from "../random/randn-tensor.ts"
import { checkCount, checkSameShape } from "../schedulers/checks.ts"
import type { Tensor } from "../tensor.ts"
import { zerosLike } from "./batch.ts"
import { checkedDivergence } from "./checked-output.ts"
import { exactDivergence, flowDivergence, type ScoreDivergence } from "./divergence.ts"
import { checkEps } from "./pc-sampler.ts"
import { type FlowSettings, followFlow } from "./probability-flow.ts"
import { startShape } from "./sampler-run.ts"
import type { SDE } from "./sde.ts"

/** Options of {@link likelihood}. */
export interface LikelihoodOptions extends FlowSettings, RandomOptions {
  readonly sde: SDE
  /** The score with its divergence, as `scoreDivergence` makes it from a network. */
  readonly divergence: ScoreDivergence
  /** Pictures [B, …] of 8-bit colours, dequantised, in the range that the model was trained on. */
  readonly x: Tensor<"float32">
  /** Black and white of the model's pictures: [−1, 1], or [0, 1] for models of uncentred data. */
  readonly range: readonly [black: number, white: number]
  /**
   * The distribution of the random probes of the divergence; a probe itself, shaped like x; or "exact", which takes as
   * many evaluations as a picture has numbers. Default "rademacher".
   */
  readonly probe?: "rademacher" | "gaussian" | "exact" | Tensor<"float32"> | undefined
  /** How many random probes to average over, each with a solution of its own. Default 1. */
  readonly probes?: number | undefined
  /** The time of the data's end, in (0, T). Default 1e-5. */
  readonly eps?: number | undefined
}

/** What {@link likelihood} returns; one number for each picture. */
export interface Likelihood {
  /** The negative log-likelihood in bits for each of the picture's numbers. */
  readonly bitsPerDim: Float64Array
  /** The standard error of `bitsPerDim` over the probes; absent for a single one. */
  readonly standardError: Float64Array | undefined
  /** Where the probability-flow ODE leads from the pictures: latents for `odeSampler`. */
  readonly latents: Tensor<"float32">
  /** Evaluations of `divergence`, over all probes. */
  readonly nfe: number
}

/**
 * The likelihood of pictures by the probability-flow ODE and the Skilling–Hutchinson estimator of its divergence
 * (Song et al. 2021, equations 39 and 40): log p₀(x) = log p_T(x(T)) + ∫ ∇·b dt.
 *
 * The bits count the 256 levels of a colour: they hold for pictures that were made from 8-bit ones by
 * {@link dequantize}.
 *
 * @throws InputError, SdeError, RandomError; AbortError
 */
export async function likelihood(options: LikelihoodOptions): Promise<Likelihood> {
  const { sde, x, range, probe = "rademacher", probes = 1, eps = 1e-5 } = options
  startShape({ latents: x })
  checkEps(eps, sde)
  checkCount("probes", probes, 1, typeof probe === "string" && probe !== "exact" ? 10_000 : 1)
  checkRange(x, range)
  if (typeof probe === "object") checkSameShape("probe", probe, "x", x)

  let nfe = 0
  const counted: ScoreDivergence = (...at) => {
    nfe++
    return options.divergence(...at)
  }
  const estimate = flowDivergence(sde, checkedDivergence(counted, sde))
  const flow = probe === "exact" ? exactDivergence(estimate) : estimate
  const generator = resolveGenerator(options)
  const runs: Float64Array[] = []
  let latents = x
  for (let i = 0; i < probes; i++) {
    const e = chosenProbe(probe, generator, x)
    const slope = async (x: Tensor<"float32">, t: Float32Array) => {
      const { drift, divergence } = await flow(x, t, e)
      return { drift, integrand: divergence }
    }
    const end = await followFlow(slope, x, [eps, sde.T], options, true)
    const prior = sde.priorLogp(end.x)
    runs.push(end.integral.map((change, b) => bitsPerDim(prior[b]! + change, x, range)))
    latents = end.x
  }
  return { ...meanAndError(runs), latents, nfe }
}

/** The probe for one solution; an exact divergence looks at none. */
function chosenProbe(
  probe: NonNullable<LikelihoodOptions["probe"]>,
  generator: RandomGenerator,
  x: Tensor<"float32">,
): Tensor<"float32"> {
  switch (probe) {
    case "exact":
      return zerosLike(x)
    case "gaussian":
      return generator.randn(x.shape)
    case "rademacher": {
      const bits = generator.randint(0, 2, x.shape).data
      return { dtype: "float32", shape: x.shape, data: Float32Array.from(bits, bit => Number(bit) * 2 - 1) }
    }
    default:
      return probe
  }
}

/** The change of unit from the model's range to 256 levels is part of the density. */
function bitsPerDim(logp: number, x: Tensor, [black, white]: readonly [number, number]): number {
  const dimensions = x.data.length / (x.shape[0] ?? 1)
  return -logp / (Math.LN2 * dimensions) + Math.log2(256 / (white - black))
}

/** The mean over the runs of each picture's number, and its standard error. */
function meanAndError(runs: readonly Float64Array[]): Pick<Likelihood, "bitsPerDim" | "standardError"> {
  const n = runs.length
  const mean = runs[0]!.map((_, b) => runs.reduce((sum, run) => sum + run[b]!, 0) / n)
  const standardError =
    n > 1
      ? mean.map((m, b) => Math.sqrt(runs.reduce((sum, run) => sum + (run[b]! - m) ** 2, 0) / (n - 1) / n))
      : undefined
  return { bitsPerDim: mean, standardError }
}

function checkRange(x: Tensor<"float32">, [black, white]: readonly [number, number]): void {
  if (!(black < white)) {
    throw new InputError("INVALID_ARGUMENT", `The range [${black}, ${white}] is empty.`)
  }
  const index = x.data.findIndex(value => !(value >= black && value <= white))
  if (index >= 0) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `x holds ${x.data[index]}, but the model's pictures lie in [${black}, ${white}].`,
      { hint: "Scale the pictures to the range that the model was trained on." },
    )
  }
}
