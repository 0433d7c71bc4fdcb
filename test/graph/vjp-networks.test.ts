import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { JsonObject } from "../../src/config/json.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { hashInput, hashWeights } from "../models/score-sde/case.ts"
import { configOf } from "../models/unet2d-fixtures.ts"
import { norm } from "./finite-differences.ts"
import { modelOf } from "./run-graph.ts"
import {
  type GradientReference,
  inputGradientFindings,
  lossGradientFindings,
  openNetwork,
} from "./score-sde-gradients.ts"

// Gradients of whole networks by the input and by every weight, against PyTorch's autograd.

const tolerance = 1e-4

interface Summary {
  readonly norm: number
  readonly projection: number
}

interface UNetReference {
  readonly config: JsonObject
  readonly timestep: readonly number[]
  readonly sampleGradient: Summary & { readonly values: readonly number[] }
  /** Norm and projection for every trained weight, names ascending. */
  readonly parameterGradients: readonly (readonly [norm: number, projection: number])[]
}

describe.each(Object.entries(readFixture<{ models: Record<string, UNetReference> }>("unet2d").models))(
  "Diffusers' UNet2DModel %s",
  (_, { config, timestep, sampleGradient, parameterGradients }) => {
    const side = config.sample_size as number
    const graph = unet2dGraph(configOf(config), [side, side])
    const shapes = parameterShapes(graph)
    const weights = [...shapes.keys()].filter(name => name !== "time_proj.weight").sort()
    const count = 2 * 3 * side * side
    const feeds = {
      sample: tensor("float32", [2, 3, side, side], hashInput(count)),
      timestep: tensor("float32", [2], Float32Array.from(timestep)),
      out_sample_cotangent: tensor(
        "float32",
        [2, 3, side, side],
        Float32Array.from({ length: count }, (_, j) => Math.sin(0.11 * j)),
      ),
    }

    async function gradients(inputs: readonly string[]): Promise<Record<string, Tensor>> {
      const differentiated = vjp(graph, ["out_sample"], inputs, { keepOutputs: false })
      const model = await modelOf(foldParameters(differentiated), hashWeights(shapes))
      await using session = await createSession(model, { device: "cpu", worker: false, threads: 1 })
      return await session.run(feeds)
    }

    test("by the input", async () => {
      const { sample_grad } = await gradients(["sample"])
      expect(sample_grad!.shape).toEqual([2, 3, side, side])
      const { data } = sample_grad!
      const errors = sampleGradient.values.map(
        (value, j, all) => Number(data[Math.floor((j * (data.length - 1)) / (all.length - 1))]) - value,
      )
      const typical = sampleGradient.norm / Math.sqrt(data.length)
      expect(Math.max(...errors.map(Math.abs)) / typical).toBeLessThan(tolerance)
      expect(summaryError(sample_grad!, sampleGradient)).toBeLessThan(tolerance)
    })

    test("by every weight", async () => {
      const computed = await gradients(weights)
      expect(parameterGradients).toHaveLength(weights.length)
      // The key's bias moves nothing; what is left is rounding.
      const floor = 1e-3 * Math.max(...parameterGradients.map(([whole]) => whole))
      for (const [i, name] of weights.entries()) {
        const [whole, projection] = parameterGradients[i]!
        const gradient = computed[`${name}_grad`]!
        expect(gradient.shape).toEqual(shapes.get(name))
        expect(summaryError(gradient, { norm: whole, projection }, floor), name).toBeLessThan(tolerance)
      }
    })
  },
)

const reference = readFixture<GradientReference>("score-sde")

describe.each(["ve", "vp", "subvp"] as const)("score_sde's NCSN++ in the SDE %s", sde => {
  let network: { readonly session: Session; readonly weights: readonly string[] }
  beforeAll(async () => {
    network = await openNetwork(reference, sde)
  })
  afterAll(() => network.session.dispose())

  test.each(reference.inputGradients.filter(one => one.sde === sde))("by the input", async one => {
    for (const [what, difference] of await inputGradientFindings(network.session, one)) {
      expect(difference, what).toBeLessThan(tolerance)
    }
  })

  test.each(reference.lossGradients.filter(one => one.sde === sde))(
    "of the training loss: mean $reduceMean, likelihood weighting $likelihoodWeighting",
    async one => {
      for (const [what, difference] of await lossGradientFindings(network.session, network.weights, one)) {
        expect(difference, what).toBeLessThan(tolerance)
      }
    },
  )
})

/** How far norm and projection are off, relative to the norm or to `floor`, whichever is larger. */
function summaryError(gradient: Tensor, expected: Summary, floor = 0): number {
  let projection = 0
  for (let i = 0; i < gradient.data.length; i++) projection += Number(gradient.data[i]) * Math.cos(0.1 * i)
  const error = Math.max(Math.abs(norm(gradient) - expected.norm), Math.abs(projection - expected.projection))
  return error / Math.max(expected.norm, floor)
}

function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/vjp/${name}.json`, import.meta.url), "utf8"))
}
