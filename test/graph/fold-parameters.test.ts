import { expect, test } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { conv } from "../../src/graph/ops/convolution.ts"
import { add, mul } from "../../src/graph/ops/elementwise.ts"
import { linear } from "../../src/graph/ops/matmul.ts"
import { reshape, slice } from "../../src/graph/ops/shape.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../../src/graph/types.ts"
import { irregular, maxDifference, runGraph, weightsFrom } from "./run-graph.ts"

const weights = weightsFrom({ w: irregular([4, 6], 3).data, b: irregular([4], 4).data })
const images = { x: irregular([2, 4, 3, 3]) }
const feeds = { x: irregular([2, 6, 3, 3]), v: irregular([2, 6], 2) }

function network(): Graph {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 6, 3, 3])
  const v = g.input("v", "float32", ["batch", 6])
  const w = g.parameter("w", [4, 6])
  const b = g.parameter("b", [4])
  // The weight as it is, scaled, scaled and reshaped, and times another weight, which can't be folded.
  const image = conv(x, reshape(mul(mul(w, 0.3), 0.7), [4, 6, 1, 1]), mul(0.1, b))
  const vector = linear(v, mul(2, w), mul(b, b))
  const plain = linear(v, w, b)
  return g.build({ image, sum: add(vector, plain), scaled: mul(b, 3) })
}

test("the outputs stay the same to the last bit", async () => {
  const graph = network()
  const folded = foldParameters(graph)
  const [before, after] = [await runGraph(graph, feeds, weights), await runGraph(folded, feeds, weights)]
  for (const name of ["image", "sum", "scaled"]) expect(maxDifference(after[name], before[name])).toBe(0)
})

test("what is done to weights alone becomes a weight that is derived from them", () => {
  const folded = foldParameters(network())
  expect(folded.nodes.map(node => node.op)).toEqual(["Conv", "Mul", "Gemm", "Gemm", "Add", "Mul"])
  const derived = [...folded.initializers.values()].filter(initializer => initializer.kind === "derived")
  expect(derived.map(({ shape, sources }) => [shape, sources.map(source => source.name)])).toEqual([
    [[4, 6, 1, 1], ["w"]],
    [[4], ["b"]],
    [[4, 6], ["w"]],
  ])
  // Scaling by several numbers in turn rounds after each, as the operators would.
  const values = derived[0]!.compute([Float32Array.of(0.1)])
  expect(values[0]).toBe(Math.fround(Math.fround(Math.fround(0.1) * Math.fround(0.3)) * Math.fround(0.7)))
})

test("a range of a weight is cut out once", async () => {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 4, 3, 3])
  const w = mul(reshape(g.parameter("w", [4, 6]), [4, 6, 1, 1]), 0.5)
  const b = g.parameter("b", [4])
  const graph = g.build({ y: conv(x, slice(w, 1, 1, 5)), z: add(slice(b, 0, 1, 4), 1) })
  const folded = foldParameters(graph)
  expect(folded.nodes.map(node => node.op)).toEqual(["Conv", "Add"])
  const [before, after] = [await runGraph(graph, images, weights), await runGraph(folded, images, weights)]
  for (const name of ["y", "z"]) expect(maxDifference(after[name], before[name])).toBe(0)
})

test("inputs, constants and outputs are not touched", () => {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", [2])
  const graph = g.build({ y: mul(mul(x, 2), g.parameter("w", [2])), z: mul(g.parameter("w", [2]), 2) })
  expect(foldParameters(graph)).toEqual(graph)
})
