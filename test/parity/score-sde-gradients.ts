/**
 * Compares gradients with those that score_sde_pytorch computed (`vjp_loss_gradients_hash.json`, a file of the
 * maintainers: 1 MB), all elements of them; `--write` makes test/fixtures/vjp/score-sde.json, which has some.
 *
 *     npx tsx test/parity/score-sde-gradients.ts PATH [--write] [--large]
 *
 * `--large` adds the network of ve/cifar10_ncsnpp_continuous: 62 million weights, half a minute.
 */
import { readFile, writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { scoreSdeConfig } from "../../src/configs/configs.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { scoreNetworkGraph } from "../../src/models/score-network.ts"
import { norm } from "../graph/finite-differences.ts"
import { modelOf, runModel } from "../graph/run-graph.ts"
import {
  type Finding,
  type GradientReference,
  inputGradientFindings,
  lossGradientFindings,
  openNetwork,
  type Samples,
  type SdeName,
} from "../graph/score-sde-gradients.ts"
import { hashInput, hashWeights } from "../models/score-sde/case.ts"

const limit = 1e-4

interface GoldenFile {
  readonly how: { readonly networks: Readonly<Record<string, GoldenNetwork>> }
  readonly vjp: readonly {
    readonly sde: SdeName
    readonly labels: readonly number[]
    readonly gradient: readonly number[]
  }[]
  readonly loss_gradients: readonly {
    readonly sde: SdeName
    readonly reduce_mean: boolean
    readonly likelihood_weighting: boolean
    readonly loss: number
    readonly total_grad_l2_norm: number
    readonly gradients?: Readonly<Record<string, { readonly values: readonly number[] }>>
    readonly grad_l2_norm_per_parameter: Readonly<Record<string, number>> | null
  }[]
  readonly vjp_cifar10_ncsnpp_continuous: {
    readonly labels: readonly number[]
    readonly input_shape: readonly number[]
    readonly gradient_512: readonly number[]
  }
}

interface GoldenNetwork {
  readonly model: object
  readonly image_size: number
  readonly num_channels: number
  readonly centered: boolean
}

const { values: options, positionals } = parseArgs({
  options: { write: { type: "boolean", default: false }, large: { type: "boolean", default: false } },
  allowPositionals: true,
})
const golden = JSON.parse(await readFile(positionals[0]!, "utf8")) as GoldenFile
const findings = await compare(referenceOf(golden))
if (options.large) findings.push(await largeNetwork(golden.vjp_cifar10_ncsnpp_continuous))
for (const [what, difference] of findings) {
  if (!(difference <= limit)) console.log(`${what}: ${difference.toExponential(1)}`)
}
const largest = findings.reduce((a, b) => (a[1] > b[1] ? a : b))
console.log(
  `${findings.length} compared, the largest difference is ${largest[1].toExponential(1)} (${largest[0]})`,
)
process.exitCode = largest[1] <= limit ? 0 : 1
if (options.write) {
  const url = new URL("../fixtures/vjp/score-sde.json", import.meta.url)
  await writeFile(url, `${JSON.stringify(trimmed(referenceOf(golden)))}\n`)
}

async function compare(reference: GradientReference): Promise<Finding[]> {
  const found: Finding[] = []
  for (const sde of ["ve", "vp", "subvp"] as const) {
    const { session, weights } = await openNetwork(reference, sde)
    await using _ = session
    for (const one of reference.inputGradients) {
      if (one.sde === sde) found.push(...(await inputGradientFindings(session, one)))
    }
    for (const one of reference.lossGradients) {
      if (one.sde === sde) found.push(...(await lossGradientFindings(session, weights, one)))
    }
  }
  return found
}

function referenceOf({ how, vjp, loss_gradients }: GoldenFile): GradientReference {
  const network = ({ model, ...data }: GoldenNetwork) => ({ model, data })
  return {
    networks: {
      ve: network(how.networks.ve!),
      vp: network(how.networks.vp!),
      subvp: network(how.networks.subvp!),
    },
    inputGradients: vjp.map(({ sde, labels, gradient }) => ({ sde, labels, gradient: whole(gradient) })),
    lossGradients: loss_gradients.map(one => ({
      sde: one.sde,
      reduceMean: one.reduce_mean,
      likelihoodWeighting: one.likelihood_weighting,
      loss: one.loss,
      norm: one.total_grad_l2_norm,
      gradients: Object.fromEntries(
        Object.entries(one.gradients ?? {}).map(([name, { values }]) => [name, whole(values)]),
      ),
      ...(one.grad_l2_norm_per_parameter && { norms: ascending(one.grad_l2_norm_per_parameter) }),
    })),
  }
}

function ascending(norms: Readonly<Record<string, number>>): readonly number[] {
  return Object.keys(norms)
    .sort()
    .map(name => norms[name]!)
}

function whole(values: readonly number[]): Samples {
  return { norm: Math.hypot(...values), values }
}

function trimmed(reference: GradientReference): object {
  const digits = (value: number): number => Number(value.toPrecision(6))
  const samples = ({ norm, values }: Samples, count: number): Samples => ({
    norm: digits(norm),
    values: Array.from({ length: count }, (_, j) =>
      digits(values[Math.floor((j * (values.length - 1)) / (count - 1))]!),
    ),
  })
  return {
    madeWith:
      "score_sde_pytorch (commit cb1f359), PyTorch 1.13, float32; cut down by test/parity/score-sde-gradients.ts",
    ...reference,
    inputGradients: reference.inputGradients.map(one => ({ ...one, gradient: samples(one.gradient, 24) })),
    lossGradients: reference.lossGradients.map(({ gradients, norms, ...one }) => ({
      ...one,
      gradients: Object.fromEntries(Object.entries(gradients).map(([name, all]) => [name, samples(all, 4)])),
      ...(norms && { norms: norms.map(digits) }),
    })),
  }
}

async function largeNetwork({
  labels,
  input_shape,
  gradient_512,
}: GoldenFile["vjp_cifar10_ncsnpp_continuous"]): Promise<Finding> {
  const plain = scoreNetworkGraph(scoreSdeConfig("ve/cifar10_ncsnpp_continuous"))
  const graph = foldParameters(vjp(plain, ["out_sample"], ["sample"], { keepOutputs: false }))
  const count = input_shape.reduce((a, b) => a * b, 1)
  const { sample_grad } = await runModel(await modelOf(graph, hashWeights(parameterShapes(plain))), {
    sample: { dtype: "float32", shape: input_shape, data: hashInput(count) },
    timestep: { dtype: "float32", shape: [labels.length], data: Float32Array.from(labels) },
    out_sample_cotangent: {
      dtype: "float32",
      shape: input_shape,
      data: Float32Array.from({ length: count }, (_, j) => Math.sin(0.11 * j)),
    },
  })
  const errors = gradient_512.map(
    (value, m) => Number(sample_grad!.data[Math.floor((m * count) / 512)]) - value,
  )
  const scale = norm(sample_grad!) / Math.sqrt(count / 512)
  return ["ve/cifar10_ncsnpp_continuous: gradient by the input", Math.hypot(...errors) / scale]
}
