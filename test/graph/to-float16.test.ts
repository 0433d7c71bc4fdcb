import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import { decodeGraph } from "../../src/graph/decode.ts"
import { conv } from "../../src/graph/ops/convolution.ts"
import { add, cos, div, log, mul, relu } from "../../src/graph/ops/elementwise.ts"
import { linear } from "../../src/graph/ops/matmul.ts"
import { reduceSumSquare } from "../../src/graph/ops/reduction.ts"
import { nearestUpsample } from "../../src/graph/ops/resize.ts"
import { cast, gather, reshape } from "../../src/graph/ops/shape.ts"
import { toFloat16 } from "../../src/graph/optimize/to-float16.ts"
import type { Graph } from "../../src/graph/types.ts"
import { fillWeights, weightLayout } from "../../src/graph/weight-layout.ts"
import type { Tensor } from "../../src/tensor.ts"
import { irregular, maxDifference, runGraph, weightsFrom } from "./run-graph.ts"

/** The element type of what a graph's nodes give, by operator. */
function nodeTypes(graph: Graph): readonly string[] {
  return graph.nodes.map(node => `${node.op}: ${graph.types.get(node.outputs[0]!)!.dtype}`)
}

function vector(...values: number[]): Tensor {
  return { dtype: "float32", shape: [values.length], data: Float32Array.from(values) }
}

describe("a score network", () => {
  const weights = weightsFrom({
    frequencies: [100.5, -33.25],
    "dense.weight": irregular([3, 2], 2).data,
    "dense.bias": irregular([3], 3).data,
    "conv.weight": irregular([3, 3, 3, 3], 4).data,
  })
  const g = new GraphBuilder("test", { precision: "float16" })
  const x = g.input("x", "float32", ["batch", 3, 4, 4])
  const sigma = g.input("sigma", "float32", ["batch"])
  const angles = mul(reshape(log(sigma), ["batch", 1]), reshape(g.parameter("frequencies", [2]), [1, 2]))
  const embedding = linear(cos(angles), g.parameter("dense.weight", [3, 2]), g.parameter("dense.bias", [3]))
  const h = conv(x, mul(g.parameter("conv.weight", [3, 3, 3, 3]), 0.1), undefined, { padding: 1 })
  const image = add(nearestUpsample(h, 2), reshape(embedding, ["batch", 3, 1, 1]))
  const graph = g.build({ y: div(image, reshape(sigma, ["batch", 1, 1, 1])) })
  const half = toFloat16(graph)

  test("has float32 inputs and outputs, and float32 where the label is", () => {
    expect(half.inputs).toEqual(graph.inputs)
    expect(half.outputs).toEqual(graph.outputs)
    expect(nodeTypes(half)).toEqual([
      "Log: float32",
      "Reshape: float32",
      "Mul: float32",
      "Cos: float32",
      "Cast: float16",
      "Gemm: float16",
      "Cast: float16",
      "Conv: float16",
      "Resize: float16",
      "Reshape: float16",
      "Add: float16",
      "Reshape: float32",
      "Cast: float32",
      "Div: float32",
    ])
  })

  test("keeps its weights in float16, but for the frequencies", () => {
    const weightTypes = [...half.initializers.values()].flatMap(initializer =>
      initializer.kind === "constant" ? [] : [[initializer.kind, initializer.dtype]],
    )
    expect(weightTypes).toEqual([
      ["derived", "float32"],
      ["parameter", "float16"],
      ["parameter", "float16"],
      ["derived", "float16"],
    ])
  })

  test("computes nearly the same for any σ", async () => {
    for (const s of [0.01, 1, 1348]) {
      const feeds = { x: irregular([2, 3, 4, 4]), sigma: vector(s, 2 * s) }
      const [exact, rounded] = [await runGraph(graph, feeds, weights), await runGraph(half, feeds, weights)]
      expect(rounded.y!.dtype).toBe("float32")
      expect(maxDifference(exact.y, rounded.y)).toBeLessThan((2e-3 * 2) / s)
    }
  })
})

describe("what stays in float32", () => {
  test("an operator with a constant beyond the range", async () => {
    const g = new GraphBuilder("test")
    const x = g.input("x", "float32", ["batch", 1])
    const graph = toFloat16(g.build({ y: relu(mul(mul(x, 1e6), 1e-6)) }))
    expect(nodeTypes(graph)).toEqual([
      "Mul: float32",
      "Cast: float16",
      "Mul: float16",
      "Relu: float16",
      "Cast: float32",
    ])
  })

  test("operators of other domains, and those behind them, whose types nobody knows", async () => {
    const bytes = readFileSync(new URL("../fixtures/graph/custom-domain.onnx", import.meta.url))
    const graph = toFloat16(decodeGraph(bytes))
    expect(graph.nodes.map(node => node.op)).toEqual(["Cast", "Mul", "Cast", "Gelu", "Neg"])
    const feeds = { x: irregular([2, 3]) }
    const exact = await runGraph(decodeGraph(bytes), feeds)
    expect(maxDifference((await runGraph(graph, feeds)).y, exact.y)).toBeLessThan(2e-3)
  })

  test("a weight that is needed in both types, and one that is an output", async () => {
    const g = new GraphBuilder("test")
    const x = g.input("x", "float32", ["batch", 2])
    const t = g.input("t", "float32", [2])
    const [w, v] = [g.parameter("w", [2]), g.parameter("v", [2])]
    const built = g.build({ y: add(mul(x, w), mul(t, w)), z: add(v, 0) })
    // The builder names an output by a node of its own; a graph that was read need not.
    const graph = toFloat16({
      ...built,
      outputs: [...built.outputs, { name: "w", dtype: "float32", shape: [2] }],
    })
    const feeds = { x: irregular([2, 2]), t: irregular([2]) }
    const weights = weightsFrom({ w: [1 / 3, 3], v: [1, 2] })
    const outputs = await runGraph(graph, feeds, weights)
    expect(outputs.w!.data).toEqual(Float32Array.of(1 / 3, 3))
    const exact = await runGraph(built, feeds, weights)
    expect(maxDifference(outputs.y, exact.y)).toBeLessThan(4e-3)
  })
})

describe("what isn't float32", () => {
  test("stays as it is", async () => {
    const g = new GraphBuilder("test")
    const labels = g.input("labels", "int64", ["batch"])
    const table = g.parameter("table", [4, 3])
    const graph = toFloat16(g.build({ y: mul(gather(table, labels), 2), same: labels }))
    expect(nodeTypes(graph)).toEqual(["Gather: float16", "Mul: float16", "Identity: int64", "Cast: float32"])
    const feeds = { labels: { dtype: "int64", shape: [2], data: BigInt64Array.of(3n, 0n) } } as const
    const { y, same } = await runGraph(graph, feeds, weightsFrom({ table: [...Array(12).keys()] }))
    expect([...y!.data]).toEqual([18, 20, 22, 0, 2, 4])
    expect(same!.data).toEqual(BigInt64Array.of(3n, 0n))
  })

  test("stays as it is in float16, too", async () => {
    const g = new GraphBuilder("test")
    const h = g.input("h", "float16", [2])
    const one = g.constant("float16", [], Uint16Array.of(0x3c00))
    // One operator is kept in float32 by its constant, one reads only what is float16 already.
    const y = add(cast(mul(h, one), "float32"), 1e6)
    const graph = toFloat16(g.build({ y, h2: mul(h, one) }))
    expect(nodeTypes(graph)).toEqual([
      "Mul: float16",
      "Cast: float16",
      "Cast: float32",
      "Add: float32",
      "Mul: float16",
    ])
    const feeds = { h: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0x4000) } } as const
    const outputs = await runGraph(graph, feeds)
    expect([...outputs.y!.data]).toEqual([1e6 + 1, 1e6 + 2])
    expect([...outputs.h2!.data]).toEqual([0x3c00, 0x4000])
  })

  test("is converted to float16 where it was converted to float32", async () => {
    const g = new GraphBuilder("test")
    const graph = toFloat16(g.build({ y: relu(cast(g.input("x", "int64", [2]), "float32")) }))
    expect(nodeTypes(graph)).toEqual(["Cast: float16", "Relu: float16", "Cast: float32"])
  })
})

test("an output that the graph also reads", async () => {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", [2])
  const first = relu(reshape(x, [2, 1]))
  const image = g.input("image", "float32", [2, 1])
  const a = mul(image, 2)
  const graph = toFloat16(g.build({ a, b: add(a, 1), first }))
  const outputs = await runGraph(graph, { x: vector(1, -2), image: irregular([2, 1]) })
  expect(outputs.first!.data).toEqual(Float32Array.of(1, 0))
  for (const [i, value] of irregular([2, 1]).data.entries()) {
    expect(outputs.a!.data[i]).toBeCloseTo(2 * value, 2)
    expect(outputs.b!.data[i]).toBeCloseTo(2 * value + 1, 2)
  }
})

describe("refuses", () => {
  function build(define: (x: Value) => Value): Graph {
    const g = new GraphBuilder("test")
    return g.build({ y: define(g.input("x", "float32", ["batch", 2, 2, 2])) })
  }

  test("sums of squares, which a graph for float16 doesn't take", () => {
    expect(() => toFloat16(build(x => reduceSumSquare(x, [2, 3])))).toThrow(
      expect.objectContaining({ code: "GRAPH_STRUCTURE", hint: expect.stringContaining("precision") }),
    )
  })

  test("subgraphs", () => {
    const graph = decodeGraph(readFileSync(new URL("../fixtures/graph/if-subgraph.onnx", import.meta.url)))
    expect(() => toFloat16(graph)).toThrow(expect.objectContaining({ code: "GRAPH_UNKNOWN_OPERATOR" }))
  })

  test("weights beyond the range", async () => {
    const graph = toFloat16(build(x => add(x, reshape(x.builder.parameter("w", [2]), [2, 1, 1]))))
    const layout = weightLayout(graph)
    await expect(fillWeights(layout, weightsFrom({ w: [1, 7e4] }))).rejects.toMatchObject({
      code: "GRAPH_RANGE",
      message: expect.stringContaining("70000"),
    })
    await expect(fillWeights(layout, weightsFrom({ w: [1, 65504] }))).resolves.toHaveLength(4)
  })
})
