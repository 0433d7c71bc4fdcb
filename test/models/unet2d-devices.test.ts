import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { toFloat16 } from "../../src/graph/optimize/to-float16.ts"
import type { Graph } from "../../src/graph/types.ts"
import { groupNorm } from "../../src/models/layers.ts"
import { networkNames } from "../../src/models/network-names.ts"
import {
  averageDownsampling,
  firDownsampling,
  firUpsampling,
  mirroredDownsample,
  mirroredUpsample,
  nearestUpsampling,
} from "../../src/models/resampling.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import type { Tensor } from "../../src/tensor.ts"
import { irregular, maxDifference, modelOf, runGraph, runModel, weightsFrom } from "../graph/run-graph.ts"
import {
  configOf,
  feedsFor,
  goldenCase,
  loadFixture,
  type NetworkCase,
  type SolvedCase,
  weightsFor,
} from "./unet2d-fixtures.ts"

// The network on other devices than the CPU: the same numbers come out.

async function evaluateOn(device: "wasm" | "webgpu", one: NetworkCase): Promise<Float32Array> {
  const graph = unet2dGraph(configOf(one.config), one.size)
  const model = await modelOf(foldParameters(graph), weightsFor(graph))
  const outputs = await runModel(model, feedsFor(graph, one), device)
  return outputs[networkNames.output]!.data as Float32Array
}

function largestError({ values, meanAbs }: SolvedCase, data: Float32Array): number {
  const differences = values.map((value, j) => {
    return Math.abs(value - data[Math.floor((j * (data.length - 1)) / (values.length - 1))]!)
  })
  return Math.max(...differences) / Math.max(1, meanAbs)
}

function blockCase(name: string): SolvedCase {
  return loadFixture("blocks").cases.find(one => one.name === name)!
}

/** Every way to resize an image, as outputs of one graph. */
function resamplingGraph(): Graph {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 8, 8, 6])
  return g.build({
    firDown: firDownsampling.resize(x),
    firUp: firUpsampling.resize(x),
    average: averageDownsampling.resize(x),
    nearest: nearestUpsampling.resize(x),
    mirroredDown: mirroredDownsample(x),
    mirroredUp: mirroredUpsample(x),
  })
}

/** The form of group norm for large images, with an offset. */
function largeNormGraph(): Graph {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 16, 256, 256])
  const offset = g.input("offset", "float32", ["batch", 16])
  return g.build({ y: groupNorm("norm", x, { groups: 4, epsilon: 1e-6, offset }) })
}

const normWeights = weightsFrom({
  "norm.weight": irregular([16], 2).data,
  "norm.bias": irregular([16], 3).data,
})

function normFeeds(batch: number): Record<string, Tensor> {
  return { x: irregular([batch, 16, 256, 256]), offset: irregular([batch, 16], 5) }
}

async function expectSameAsCpu(
  graph: Graph,
  feeds: Record<string, Tensor>,
  session: Session,
  weights = weightsFrom({}),
): Promise<void> {
  const [expected, found] = [await runGraph(graph, feeds, weights), await session.run(feeds)]
  for (const name of Object.keys(expected))
    expect(maxDifference(found[name], expected[name])).toBeLessThan(1e-5)
}

describe("WebAssembly", () => {
  test.each(loadFixture("blocks").cases.map(one => [one.name, one] as const))("%s", async (_, one) => {
    expect(largestError(one, await evaluateOn("wasm", one))).toBeLessThan(2e-5)
  })

  test.each(Object.entries(loadFixture("golden").models))("%s", async (name, model) => {
    const data = await evaluateOn("wasm", goldenCase(name, model))
    expect(Math.max(...model.output.map((value, i) => Math.abs(data[i]! - value)))).toBeLessThan(2e-5)
  })

  test("the norm of large images", async () => {
    const model = await modelOf(largeNormGraph(), normWeights)
    await using session = await createSession(model, { device: "wasm", worker: false, threads: 1 })
    await expectSameAsCpu(largeNormGraph(), normFeeds(2), session, normWeights)
  })
})

// On SwiftShader (test/setup/swiftshader.ts). It forgets its compiled shaders with the last session, so one stays open.
describe("WebGPU", () => {
  let kept: Session
  beforeAll(async () => {
    kept = await createSession(await modelOf(resamplingGraph()), { device: "webgpu", worker: false })
  })
  afterAll(() => kept.dispose())

  test("every way to resize an image", async () => {
    expect(kept.device).toBe("webgpu")
    await expectSameAsCpu(resamplingGraph(), { x: irregular([2, 8, 8, 6]) }, kept)
  })

  test.each(["plain", "skip"])("%s", async name => {
    const one = blockCase(name)
    // Drivers round sines and exponentials in their own ways.
    expect(largestError(one, await evaluateOn("webgpu", one))).toBeLessThan(5e-5)
  })

  test("ddpm_tiny, whose features are sines of the time step", async () => {
    const model = loadFixture("golden").models.ddpm_tiny!
    const data = await evaluateOn("webgpu", goldenCase("ddpm_tiny", model))
    const largest = Math.max(...model.output.map(Math.abs))
    expect(Math.max(...model.output.map((value, i) => Math.abs(data[i]! - value)))).toBeLessThan(
      1e-4 * largest,
    )
  })

  test("the norm of large images", async () => {
    const model = await modelOf(largeNormGraph(), normWeights)
    await using session = await createSession(model, { device: "webgpu", worker: false })
    await expectSameAsCpu(largeNormGraph(), normFeeds(1), session, normWeights)
  })
})

describe("float16 on the CPU", () => {
  test.each(Object.entries(loadFixture("golden").models))(
    "%s is within 1e-2 of the largest value, with float32 inputs and outputs",
    async (name, model) => {
      const one = goldenCase(name, model)
      const graph = unet2dGraph(configOf(one.config), one.size, { precision: "float16" })
      const half = toFloat16(graph)
      expect(half.inputs).toEqual(graph.inputs)
      const { data } = (await runGraph(half, feedsFor(graph, one), weightsFor(graph)))[networkNames.output]!
      expect(data).toBeInstanceOf(Float32Array)
      const largest = Math.max(...model.output.map(Math.abs))
      const errors = model.output.map((value, i) => Math.abs(Number(data[i]) - value))
      expect(Math.max(...errors)).toBeLessThan(1e-2 * largest)
    },
  )

  test("only the time features and the division by σ stay in float32", () => {
    for (const { config, shape } of Object.values(loadFixture("golden").models)) {
      const graph = toFloat16(unet2dGraph(configOf(config), [shape[2], shape[3]], { precision: "float16" }))
      const places = graph.nodes
        .filter(node => node.op !== "Cast" && graph.types.get(node.outputs[0]!)?.dtype === "float32")
        .map(node => node.scope)
      expect(new Set(places)).toEqual(
        new Set(config.time_embedding_type === "fourier" ? ["time_proj", "score"] : ["time_proj"]),
      )
    }
  })
})
