import { createHash } from "node:crypto"
import { describe, expect, test } from "vitest"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { networkNames } from "../../src/models/network-names.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import type { Tensor } from "../../src/tensor.ts"
import { elementCount } from "../../src/tensor.ts"
import { runGraph } from "../graph/run-graph.ts"
import type { NetworkCase, SolvedCase } from "./unet2d-fixtures.ts"
import { configOf, feedsFor, goldenCase, loadFixture, weightsFor } from "./unet2d-fixtures.ts"

// The network against Diffusers, on weights and inputs given by a formula.

async function evaluate(one: NetworkCase): Promise<Tensor<"float32">> {
  const graph = unet2dGraph(configOf(one.config), one.size)
  const outputs = await runGraph(foldParameters(graph), feedsFor(graph, one), weightsFor(graph))
  return outputs[networkNames.output] as Tensor<"float32">
}

describe("the whole output is Diffusers' within 2e-5", () => {
  test.each(Object.entries(loadFixture("golden").models))("%s", async (name, model) => {
    const { shape, data } = await evaluate(goldenCase(name, model))
    expect(shape).toEqual(model.shape)
    const differences = model.output.map((value, i) => Math.abs(data[i]! - value))
    expect(Math.max(...differences)).toBeLessThan(2e-5)
  })
})

function checkSolved(one: SolvedCase, { shape, data }: Tensor<"float32">): void {
  expect(shape).toEqual(one.shape)
  const last = data.length - 1
  const sampled = one.values.map((_, j) => data[Math.floor((j * last) / (one.values.length - 1))]!)
  const mean = (weigh: (value: number, i: number) => number): number =>
    data.reduce((sum, value, i) => sum + weigh(value, i), 0) / data.length
  const found = [...sampled, mean(Math.abs), mean((value, i) => value * Math.cos(0.1 * i))]
  const wanted = [...one.values, one.meanAbs, one.projection]
  const differences = wanted.map((value, i) => Math.abs(found[i]! - value))
  expect(Math.max(...differences)).toBeLessThan(2e-5 * Math.max(1, one.meanAbs))
}

function tensorsHash(shapes: ReadonlyMap<string, readonly number[]>): string {
  const lines = [...shapes.keys()].sort().map(name => `${name}:${shapes.get(name)!.join()}\n`)
  return createHash("sha256").update(lines.join("")).digest("hex")
}

describe.each(["blocks", "options"] as const)("%s", file => {
  test.each(loadFixture(file).cases.map(one => [one.name, one] as const))("%s", async (_, one) => {
    const shapes = parameterShapes(unet2dGraph(configOf(one.config), one.size))
    expect([shapes.size, tensorsHash(shapes)]).toEqual([one.tensors, one.tensorsHash])
    checkSolved(one, await evaluate(one))
  })
})

describe("tensors", () => {
  test.each(Object.entries(loadFixture("state-dict-keys").models))(
    "%s has Diffusers' names and shapes",
    (_, { config, tensors }) => {
      const side = Number(config.sample_size)
      const graph = unet2dGraph(configOf(config), [side, side])
      expect(Object.fromEntries(parameterShapes(graph))).toEqual(tensors)
      expect(graph.types.get(networkNames.output)?.shape).toEqual(["batch", 3, side, side])
    },
  )

  test("have as many elements as the published models", () => {
    const counts = Object.entries(loadFixture("state-dict-keys").models).map(([name, { tensors }]) => [
      name,
      Object.values(tensors).reduce((sum, shape) => sum + elementCount(shape), 0),
    ])
    expect(Object.fromEntries(counts)).toMatchObject({ ncsnpp_1024: 105_785_896, ncsnpp_256: 65_574_549 })
  })
})

test.each(Object.entries(loadFixture("golden").models))(
  "%s treats every picture of a batch by itself",
  async (name, model) => {
    const graph = unet2dGraph(configOf(model.config), [model.shape[2], model.shape[3]])
    const one = goldenCase(name, model)
    const batch = feedsFor(graph, { ...one, batch: 3, timestep: [0.5, 7, 900] })
    const weights = weightsFor(graph)
    const folded = foldParameters(graph)
    const together = (await runGraph(folded, batch, weights))[networkNames.output]!
    const rowOf = (tensor: Tensor, i: number): Tensor => {
      const size = tensor.data.length / 3
      return {
        dtype: "float32",
        shape: [1, ...tensor.shape.slice(1)],
        data: (tensor.data as Float32Array).slice(i * size, (i + 1) * size),
      }
    }
    for (let i = 0; i < 3; i++) {
      const feeds = Object.fromEntries(Object.entries(batch).map(([key, tensor]) => [key, rowOf(tensor, i)]))
      const alone = (await runGraph(folded, feeds, weights))[networkNames.output]!.data as Float32Array
      const row = rowOf(together, i).data as Float32Array
      const largest = Math.max(...row.map(Math.abs))
      expect(Math.max(...row.map((value, j) => Math.abs(value - alone[j]!)))).toBeLessThan(1e-6 * largest)
    }
  },
)

describe("the graph stays small", () => {
  test.each([
    ["ncsnpp_tiny_128ch", 355],
    ["ncsnpp_tiny_test", 610],
    ["ddpm_tiny", 455],
  ])("%s has at most %i nodes", (name, most) => {
    const { config, shape } = loadFixture("golden").models[name]!
    const graph = foldParameters(unet2dGraph(configOf(config), [shape[2], shape[3]]))
    expect(graph.nodes.length).toBeLessThanOrEqual(most)
    expect(graph.nodes.filter(node => node.op === "ConvTranspose")).toEqual([])
  })
})

test("every node stands in a place that tells where it comes from", () => {
  for (const { config, shape } of Object.values(loadFixture("golden").models)) {
    const graph = unet2dGraph(configOf(config), [shape[2], shape[3]])
    expect(graph.nodes.filter(node => node.scope === "")).toEqual([])
  }
})
