import type { Graph } from "../../src/graph/types.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import {
  checkpointTensors,
  type ScoreNetworkConfig,
  scoreNetworkGraph,
} from "../../src/models/score-network.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { camelCase, hashInput, hashWeights } from "../models/score-sde/case.ts"
import { norm } from "./finite-differences.ts"
import { modelOf } from "./run-graph.ts"

// Gradients that score_sde_pytorch itself computed: by the input, and of its training loss by the weights.

export type SdeName = "ve" | "vp" | "subvp"

/** Some elements of a gradient, evenly spread from the first to the last, and its norm. */
export interface Samples {
  readonly norm: number
  readonly values: readonly number[]
}

export interface InputGradient {
  readonly sde: SdeName
  readonly labels: readonly number[]
  readonly gradient: Samples
}

export interface LossGradient {
  readonly sde: SdeName
  readonly reduceMean: boolean
  readonly likelihoodWeighting: boolean
  readonly loss: number
  readonly norm: number
  /** Of some weights by name. */
  readonly gradients: Readonly<Record<string, Samples>>
  /** Norms for all weights, names ascending. */
  readonly norms?: readonly number[]
}

export interface GradientReference {
  readonly networks: Readonly<Record<SdeName, { readonly model: object; readonly data: object }>>
  readonly inputGradients: readonly InputGradient[]
  readonly lossGradients: readonly LossGradient[]
}

/** What was compared, and the difference relative to the norm of the reference. */
export type Finding = readonly [what: string, difference: number]

const [batch, channels, side] = [2, 3, 8]
const shape = [batch, channels, side, side]
const pictureSize = channels * side * side

/** A network of the reference with the gradients by its input and all its weights. */
export async function openNetwork(
  reference: GradientReference,
  sde: SdeName,
): Promise<{ readonly session: Session; readonly weights: readonly string[] }> {
  const { model, data } = reference.networks[sde]
  const config = { model: camelCase(model), data: camelCase(data) } as ScoreNetworkConfig
  const tensors = checkpointTensors(config)
  const weights = tensors.filter(({ trained }) => trained).map(({ name }) => name)
  const graph: Graph = vjp(scoreNetworkGraph(config), ["out_sample"], ["sample", ...weights])
  const shapes = new Map(tensors.map(tensor => [tensor.name, tensor.shape]))
  const source = await modelOf(graph, hashWeights(shapes))
  return {
    session: await createSession(source, { device: "cpu", worker: false, threads: 1 }),
    weights: weights.sort(),
  }
}

/** The gradient of Σ sin(0.11 j)·net(x, labels)[j] by x. */
export async function inputGradientFindings(
  session: Session,
  expected: InputGradient,
): Promise<readonly Finding[]> {
  const { sample_grad } = await session.run(
    {
      sample: picture(hashInput(batch * pictureSize)),
      timestep: vector(expected.labels),
      out_sample_cotangent: picture(waves(j => Math.sin(0.11 * j))),
    },
    { outputs: ["sample_grad"] },
  )
  return [[`${expected.sde}: gradient by the input`, difference(sample_grad!, expected.gradient)]]
}

/** The training loss of score_sde and its gradients by the weights. */
export async function lossGradientFindings(
  session: Session,
  weights: readonly string[],
  expected: LossGradient,
): Promise<readonly Finding[]> {
  const { sde, reduceMean, likelihoodWeighting } = expected
  const times = Array.from({ length: batch }, (_, b) => {
    const r = 0.618034 * (b + 1)
    return Math.fround((r - Math.floor(r)) * (1 - 1e-5) + 1e-5)
  })
  const perturbations = times.map(t => perturbation(sde, t))
  const of = (j: number): Perturbation => perturbations[Math.floor(j / pictureSize)]!
  const noise = waves(j => Math.SQRT2 * Math.sin(0.61 * j + 0.4))
  const data = waves(j => 0.5 + 0.4 * Math.cos(0.05 * j))
  const feeds = {
    sample: picture(
      data.map((x, j) => of(j).decay * (sde === "ve" ? x : 2 * x - 1) + of(j).deviation * noise[j]!),
    ),
    timestep: vector(perturbations.map(({ label }) => label)),
  }
  const zeros = picture(new Float32Array(batch * pictureSize))
  const forward = await session.run({ ...feeds, out_sample_cotangent: zeros }, { outputs: ["out_sample"] })

  // Per element: ((s·d + z)²) or g²·(s + z/d)², with the score s = factor·network and the deviation d.
  const reduced = (reduceMean ? 1 / pictureSize : 0.5) / batch
  let loss = 0
  const cotangent = Float32Array.from(forward.out_sample!.data as Float32Array, (output, j) => {
    const { deviation, factor, diffusionSquared } = of(j)
    const residual = factor * output * deviation + noise[j]!
    const weight = likelihoodWeighting ? diffusionSquared / deviation ** 2 : 1
    loss += reduced * weight * residual ** 2
    return 2 * reduced * weight * residual * factor * deviation
  })
  const gradients = await session.run(
    { ...feeds, out_sample_cotangent: picture(cotangent) },
    { outputs: weights.map(name => `${name}_grad`) },
  )
  const kind = `${sde}${reduceMean ? ", mean" : ""}${likelihoodWeighting ? ", likelihood weighting" : ""}`
  const norms = weights.map(name => norm(gradients[`${name}_grad`]!))
  const total = Math.hypot(...norms)
  // Some gradients are zero but for rounding, so that all are measured against a part of the whole, too.
  const floor = 1e-3 * expected.norm
  return [
    [`${kind}: loss`, Math.abs(loss / expected.loss - 1)],
    [`${kind}: norm of all gradients`, Math.abs(total / expected.norm - 1)],
    ...Object.entries(expected.gradients).map(
      ([name, samples]): Finding => [`${kind}: ${name}`, difference(gradients[`${name}_grad`]!, samples)],
    ),
    ...(expected.norms ?? []).map(
      (one, i): Finding => [
        `${kind}: norm for ${weights[i]}`,
        Math.abs(norms[i]! - one) / Math.max(one, floor),
      ],
    ),
  ]
}

interface Perturbation {
  /** What is left of the picture. */
  readonly decay: number
  /** Of the noise that is added. */
  readonly deviation: number
  /** What the network is told. */
  readonly label: number
  /** The score is the network's output times this. */
  readonly factor: number
  readonly diffusionSquared: number
}

// Song et al. 2021, equations 29 to 33, with σ from 0.01 to 50 and β from 0.1 to 20.
function perturbation(sde: SdeName, t: number): Perturbation {
  if (sde === "ve") {
    const sigma = 0.01 * 5000 ** t
    const diffusionSquared = sigma ** 2 * 2 * Math.log(5000)
    return { decay: 1, deviation: sigma, label: sigma, factor: 1, diffusionSquared }
  }
  const integral = 0.1 * t + 0.5 * 19.9 * t ** 2
  const beta = 0.1 + 19.9 * t
  const decay = Math.exp(-integral / 2)
  const variance = 1 - Math.exp(-integral)
  const deviation = sde === "vp" ? Math.sqrt(variance) : variance
  const diffusionSquared = sde === "vp" ? beta : beta * (1 - Math.exp(-2 * integral))
  return { decay, deviation, label: t * 999, factor: -1 / deviation, diffusionSquared }
}

function difference({ data }: Tensor, { norm: whole, values }: Samples): number {
  const squares = values.map((value, j) => {
    const place = Math.floor((j * (data.length - 1)) / (values.length - 1))
    return (Number(data[place]) - value) ** 2
  })
  // As if the elements that are not listed differed as much.
  const error = Math.sqrt((squares.reduce((a, b) => a + b, 0) * data.length) / values.length)
  return error / whole
}

function waves(formula: (j: number) => number): Float32Array {
  return Float32Array.from({ length: batch * pictureSize }, (_, j) => formula(j))
}

function picture(data: Float32Array): Tensor<"float32"> {
  return tensor("float32", shape, data)
}

function vector(values: readonly number[]): Tensor<"float32"> {
  return tensor("float32", [values.length], Float32Array.from(values))
}
