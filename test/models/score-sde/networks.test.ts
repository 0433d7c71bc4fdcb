import { describe, expect, test } from "vitest"
import { foldParameters } from "../../../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../../../src/graph/types.ts"
import { parameterShapes } from "../../../src/models/checkpoint.ts"
import { type ScoreNetworkConfig, scoreNetworkGraph } from "../../../src/models/score-network.ts"
import { type WideResnetConfig, wideResnetGraph } from "../../../src/models/wideresnet/network.ts"
import type { Tensor } from "../../../src/tensor.ts"
import { modelOf, runModel } from "../../graph/run-graph.ts"
import { camelCase, hashInput, hashWeights, type NetworkCase, readCases, tensorsHash } from "./case.ts"

// Of the largest value. The networks' own rounding in float32 is about 3e-6.
const tolerance = 2e-5

describe.each([
  ["the original's networks", readCases<NetworkCase>("original")],
  ["networks for every option, against plain PyTorch", readCases<NetworkCase>("networks")],
])("%s", (_, cases) => {
  test.each(cases)("$name", async networkCase => {
    const graph = graphOf(networkCase)
    const shapes = parameterShapes(graph)
    expect(shapes.size).toBe(networkCase.tensors)
    if (networkCase.tensorsHash) expect(tensorsHash(shapes)).toBe(networkCase.tensorsHash)

    const [output] = Object.values(await run(graph, networkCase))
    expect(output!.shape).toEqual(networkCase.shape)
    const y = output!.data as Float32Array
    const { values, largest, projection } = networkCase
    const differences = values.map((value, j) =>
      Math.abs(value - y[Math.floor((j * (y.length - 1)) / (values.length - 1))]!),
    )
    expect(Math.max(...differences) / largest).toBeLessThan(tolerance)
    const projected = y.reduce((sum, value, i) => sum + value * Math.cos(0.1 * i), 0) / y.length
    expect(Math.abs(projected - projection) / largest).toBeLessThan(tolerance)
  })
})

test("the division by a level's σ drops the fraction of the level", async () => {
  const level = readCases<NetworkCase>("networks").find(({ name }) => name === "ncsnv2_64")!
  const [whole] = Object.values(await run(graphOf(level), level))
  const [fractional] = Object.values(await run(graphOf(level), { ...level, labels: [100.9, 7.4] }))
  expect(fractional!.data).toEqual(whole!.data)
})

function graphOf({ model, data, size }: NetworkCase): Graph {
  if (model.name === "wideresnet") {
    return wideResnetGraph({ ...camelCase<WideResnetConfig>(model), ...camelCase<WideResnetConfig>(data) })
  }
  const config = { model: camelCase(model), data: camelCase(data) } as ScoreNetworkConfig
  return scoreNetworkGraph(config, { size })
}

async function run(
  graph: Graph,
  { shape, data, size, labels }: NetworkCase,
): Promise<Record<string, Tensor>> {
  const input = [shape[0]!, data.num_channels as number, ...size]
  const count = input.reduce((a, b) => a * b, 1)
  return runModel(await modelOf(foldParameters(graph), hashWeights(parameterShapes(graph))), {
    sample: { dtype: "float32", shape: input, data: hashInput(count) },
    timestep: { dtype: "float32", shape: [labels.length], data: Float32Array.from(labels) },
  })
}
