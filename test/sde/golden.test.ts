import { afterAll, describe, expect, test } from "vitest"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import type { WeightSource } from "../../src/graph/weight-layout.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { type ScoreNetworkConfig, scoreNetworkGraph } from "../../src/models/score-network.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { flowDivergence } from "../../src/sde/divergence.ts"
import { type NetworkVjp, scoreDivergence } from "../../src/sde/network-score.ts"
import type { Tensor } from "../../src/tensor.ts"
import fixtures from "../fixtures/sde/golden.json" with { type: "json" }
import { modelOf } from "../graph/run-graph.ts"
import { camelCase, hashWeights } from "../models/score-sde/case.ts"
import { dataOf, runConditional, runLikelihood, runOde, runPc, sdeOf } from "./golden-runs.ts"
import { formula } from "./mixture.ts"
import { sineWeights } from "./sine-weights.ts"

const shape = [2, 3, 8, 8]
const probe = formula(j => Math.sign(Math.sin(1.3 * j + 0.2)), shape)

type Shapes = ReadonlyMap<string, readonly number[]>

const sessions: Session[] = []
const networks = new Map<string, Promise<NetworkVjp>>()
afterAll(() => Promise.all(sessions.map(session => session.dispose())))

/** One of the fixtures' networks, with its vector–Jacobian product. */
function network(name: string, weights: (shapes: Shapes) => WeightSource): Promise<NetworkVjp> {
  const key = `${name} ${weights.name}`
  const found = networks.get(key) ?? load(name, weights)
  networks.set(key, found)
  return found
}

async function load(name: string, weights: (shapes: Shapes) => WeightSource): Promise<NetworkVjp> {
  const { model, data } = fixtures.networks[name as keyof typeof fixtures.networks]
  const config = { model: camelCase(model), data: camelCase(data) } as ScoreNetworkConfig
  const graph = scoreNetworkGraph(config)
  const source = weights(parameterShapes(graph))
  const differentiated = foldParameters(vjp(graph, ["out_sample"], ["sample"]))
  const session = await createSession(await modelOf(differentiated, source), {
    device: "cpu",
    worker: false,
    threads: 1,
  })
  sessions.push(session)
  return async (x, labels, v) => {
    const timestep: Tensor<"float32"> = { dtype: "float32", shape: [labels.length], data: labels }
    const result = await session.run({ sample: x, timestep, out_sample_cotangent: v })
    return {
      output: result.out_sample as Tensor<"float32">,
      vjp: result.sample_grad as Tensor<"float32">,
    }
  }
}

/** The same network without the product. */
async function forward(name: string, weights: (shapes: Shapes) => WeightSource) {
  const run = await network(name, weights)
  return async (x: Tensor<"float32">, labels: Float32Array) => (await run(x, labels, x)).output
}

/** The largest difference from every 8th expected number, as a share of the largest. */
function error(
  x: Tensor<"float32">,
  expected: { readonly largest: number; readonly values: readonly number[] },
) {
  return Math.max(...expected.values.map((value, i) => Math.abs(x.data[8 * i]! - value))) / expected.largest
}

/** Pictures as score_sde returns them: in [0, 1]. */
function unscaled(kind: string, x: Tensor<"float32">): Tensor<"float32"> {
  return kind === "ve" ? x : { ...x, data: x.data.map(value => (value + 1) / 2) }
}

describe("score_sde's own networks and runs", () => {
  test.each(fixtures.entries)(
    "$sde, $predictor, $corrector, flow $probability_flow, continuous $continuous",
    async entry => {
      const { x } = await runPc(entry, await forward(entry.network, sineWeights), shape, true)
      expect(error(unscaled(entry.sde, x), entry)).toBeLessThan(2e-5)
    },
  )

  test.each(fixtures.controllable)("$task, $sde, $predictor, $corrector", async entry => {
    const { x } = await runConditional(entry, await forward(entry.sde, sineWeights), shape, true)
    expect(error(unscaled(entry.sde, x), entry)).toBeLessThan(2e-5)
  })

  test.each(fixtures.ode)("the probability-flow ODE of $sde", async entry => {
    const { x, nfe } = await runOde(entry, await forward(entry.sde, hashWeights), shape)
    expect(error(unscaled(entry.sde, x), entry)).toBeLessThan(2e-4)
    expect(Math.abs(nfe / entry.nfe - 1)).toBeLessThan(0.1)
  })

  test.each(fixtures.divergence)("drift and divergence of $sde at $t", async entry => {
    const sde = sdeOf(entry.sde, 1000)
    const flow = flowDivergence(sde, scoreDivergence(sde, await network(entry.sde, hashWeights)))
    const { drift, divergence } = await flow(
      dataOf(entry.sde, shape),
      new Float32Array(2).fill(entry.t),
      probe,
    )
    expect(error(drift, entry)).toBeLessThan(2e-5)
    divergence.forEach((value, b) => {
      expect(Math.abs(value / entry.divergence[b]! - 1)).toBeLessThan(1e-4)
    })
  })

  test.each(fixtures.likelihood)("the likelihood of $sde", async entry => {
    const run = await network(entry.sde, hashWeights)
    const { bitsPerDim, latents, nfe } = await runLikelihood(entry, run, shape, { probe })
    bitsPerDim.forEach((bits, b) => {
      expect(Math.abs(bits - entry.bpd[b]!)).toBeLessThan(1e-3)
    })
    expect(error(latents, entry)).toBeLessThan(1e-3)
    expect(Math.abs(nfe / entry.nfe - 1)).toBeLessThan(0.1)
  })
})
