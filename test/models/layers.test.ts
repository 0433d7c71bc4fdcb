import { describe, expect, test } from "vitest"
import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import { add } from "../../src/graph/ops/elementwise.ts"
import { concat } from "../../src/graph/ops/shape.ts"
import type { Graph } from "../../src/graph/types.ts"
import {
  activation,
  conv2d,
  convolve,
  type GroupNormOptions,
  groupNorm,
  linear,
  selfAttention,
  sum,
} from "../../src/models/layers.ts"
import type { Tensor } from "../../src/tensor.ts"
import { irregular, maxDifference, runGraph, weightsFrom } from "../graph/run-graph.ts"

describe("group norm", () => {
  const [channels, side, groups] = [16, 256, 4]
  const area = side * side
  const affine = { weight: irregular([channels], 2).data, bias: irregular([channels], 3).data }
  const weights = weightsFrom({ "norm.weight": affine.weight, "norm.bias": affine.bias })
  const options: GroupNormOptions = { groups, epsilon: 1e-6 }

  /** The definition in float64; offsets are per channel. */
  function exact(image: Float32Array, offset?: ArrayLike<number>): Float64Array {
    const size = (channels / groups) * area
    const shifted = Float64Array.from(image, (value, i) => value + (offset?.[Math.floor(i / area)] ?? 0))
    for (let start = 0; start < shifted.length; start += size) {
      const group = shifted.subarray(start, start + size)
      const mean = group.reduce((a, b) => a + b) / size
      const variance = group.reduce((a, b) => a + (b - mean) ** 2, 0) / size
      for (const [i, value] of group.entries())
        group[i] = (value - mean) / Math.sqrt(variance + options.epsilon)
    }
    return shifted.map((value, i) => {
      const channel = Math.floor(i / area)
      return value * affine.weight[channel]! + affine.bias[channel]!
    })
  }

  type Define = (g: GraphBuilder) => Value

  function build(precision: "float32" | "float16", define: Define): Graph {
    const g = new GraphBuilder("test", { precision })
    return g.build({ y: define(g) })
  }

  const plain: Define = g =>
    groupNorm("norm", g.input("x", "float32", ["batch", channels, side, side]), options)

  /** Largest errors of the form for large images, and of that for small ones and for float16. */
  async function errors(image: Float32Array): Promise<{ byStatistics: number; byGroups: number }> {
    const feeds = { x: { dtype: "float32", shape: [1, channels, side, side], data: image } } as const
    const expected = { dtype: "float64", shape: feeds.x.shape, data: exact(image) } as const
    const error = async (precision: "float32" | "float16"): Promise<number> =>
      maxDifference((await runGraph(build(precision, plain), feeds, weights)).y, expected)
    return { byStatistics: await error("float32"), byGroups: await error("float16") }
  }

  const noise = (() => {
    let state = 1
    const uniform = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state + 0.5) / 2 ** 32
    }
    return Float32Array.from(
      { length: channels * area },
      () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    )
  })()

  test("has two forms, of which float16 and small images never get the sums of squares", () => {
    const small: Define = g =>
      groupNorm("norm", g.input("x", "float32", ["batch", channels, side, side / 2]), options)
    const ops = (graph: Graph): Set<string> => new Set(graph.nodes.map(node => node.op))
    expect(ops(build("float32", plain))).toContain("ReduceSumSquare")
    for (const graph of [build("float16", plain), build("float32", small)]) {
      expect(ops(graph)).toContain("InstanceNormalization")
      expect(ops(graph)).not.toContain("ReduceSumSquare")
    }
  })

  // Means and deviations of the image, and the largest errors allowed for the two forms.
  test.each([
    [0, 1, 2e-6, 2e-5],
    [1, 1, 5e-6, 2e-5],
    [10, 1, 1e-4, 1e-4],
    [100, 1, 1e-2, 1e-3],
    [0, 1000, 2e-6, 3e-5],
    [0, 1e-3, 2e-6, 1e-5],
  ])("of noise around %d with deviation %d", async (mean, deviation, statistics, grouped) => {
    const { byStatistics, byGroups } = await errors(noise.map(value => mean + deviation * value))
    expect(byStatistics).toBeLessThan(statistics)
    expect(byGroups).toBeLessThan(grouped)
  })

  test("of an image that is flat to its last digit stays finite and small", async () => {
    for (const level of [0, 0.1, 3, 1000, 1e6]) {
      const graph = build("float32", plain)
      const x: Tensor = {
        dtype: "float32",
        shape: [1, channels, side, side],
        data: new Float32Array(channels * area).fill(level),
      }
      const { y } = await runGraph(graph, { x }, weights)
      // Rounding of the mean, over the deviation that is taken for it at least: 1e-7 / 2^-10.
      for (const value of y!.data as Float32Array)
        if (!(Math.abs(value) < 2)) return expect(value).toBeLessThan(2)
    }
  })

  test("of a small deviation around a large mean is damped, not blown up", async () => {
    const image = noise.map(value => 1e4 + value)
    const x: Tensor = { dtype: "float32", shape: [1, channels, side, side], data: image }
    const { y } = await runGraph(build("float32", plain), { x }, weights)
    const expected = exact(image)
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
    expect((y!.data as Float32Array).reduce((a, b) => Math.max(a, Math.abs(b)), 0)).toBeLessThan(
      1.5 * largest,
    )
  })

  test("adds an offset per channel first, in both forms", async () => {
    const offset = Float32Array.from({ length: channels }, (_, i) => Math.sin(i) * 3)
    const define: Define = g =>
      groupNorm("norm", g.input("x", "float32", ["batch", channels, side, side]), {
        ...options,
        offset: g.input("offset", "float32", ["batch", channels]),
      })
    const feeds = {
      x: { dtype: "float32", shape: [1, channels, side, side], data: noise },
      offset: { dtype: "float32", shape: [1, channels], data: offset },
    } as const
    const expected = { dtype: "float64", shape: feeds.x.shape, data: exact(noise, offset) } as const
    for (const precision of ["float32", "float16"] as const) {
      const { y } = await runGraph(build(precision, define), feeds, weights)
      expect(maxDifference(y, expected)).toBeLessThan(3e-5)
    }
  })

  test("of joined images takes the statistics of the parts, and keeps pictures of a batch apart", async () => {
    const half = channels / 2
    const define: Define = g => {
      const parts = ["a", "b"].map(name => g.input(name, "float32", ["batch", half, side, side])) as [
        Value,
        Value,
      ]
      return groupNorm("norm", concat(parts, 1), options)
    }
    const graph = build("float32", define)
    const size = half * area
    const part = (i: number): Tensor => {
      // Two pictures: the noise, and the noise times three plus one.
      const data = new Float32Array(2 * size)
      data.set(noise.subarray(i * size, (i + 1) * size))
      data.set(
        noise.subarray(i * size, (i + 1) * size).map(value => 3 * value + 1),
        size,
      )
      return { dtype: "float32", shape: [2, half, side, side], data }
    }
    const { y } = await runGraph(graph, { a: part(0), b: part(1) }, weights)
    const pictures = [exact(noise), exact(noise.map(value => 3 * value + 1))]
    const data = Float64Array.from([...pictures[0]!, ...pictures[1]!])
    expect(maxDifference(y, { dtype: "float64", shape: [2, channels, side, side], data })).toBeLessThan(2e-5)
  })

  test("needs groups that divide the channels", () => {
    for (const groups of [0, 3, 32]) {
      const define: Define = g =>
        groupNorm("norm", g.input("x", "float32", [1, 16, 2, 2]), { groups, epsilon: 1 })
      expect(() => build("float32", define)).toThrow(
        expect.objectContaining({
          code: "GRAPH_SHAPE",
          message: expect.stringContaining(`norm: 16 channels can't be cut into ${groups}`),
        }),
      )
    }
  })
})

describe("layers", () => {
  const g = () => new GraphBuilder("test")

  test("a convolution keeps the size by default, and its gain scales weight and bias", async () => {
    const define = (gain: number): Graph => {
      const builder = g()
      const x = builder.input("x", "float32", ["batch", 2, 5, 5])
      return builder.build({ y: conv2d("c", x, 3, { gain }) })
    }
    const weights = weightsFrom({ "c.weight": irregular([3, 2, 3, 3]).data, "c.bias": irregular([3]).data })
    const feeds = { x: irregular([1, 2, 5, 5]) }
    const [one, half] = [
      await runGraph(define(1), feeds, weights),
      await runGraph(define(0.5), feeds, weights),
    ]
    expect(one.y!.shape).toEqual([1, 3, 5, 5])
    const doubled = (half.y!.data as Float32Array).map(value => 2 * value)
    expect(maxDifference(one.y, { ...one.y!, data: doubled } as Tensor)).toBeLessThan(1e-6)
  })

  test("a large joined image is never made: its parts are normalised, activated and convolved, and added up", async () => {
    const side = 256
    const define = (define: (x: Value) => Value): Graph => {
      const builder = g()
      const parts = [8, 4, 4].map((count, i) =>
        builder.input(`p${i}`, "float32", ["batch", count, side, side]),
      )
      const joined = concat(parts as [Value, ...Value[]], 1)
      return builder.build({ y: define(joined) })
    }
    const block = (x: Value): Value => {
      const h = conv2d("c", activation("silu")(groupNorm("n", x, { groups: 4, epsilon: 1e-6 })), 2)
      const { builder } = x
      const kernel = builder.parameter("s.weight", [2, 16, 1, 1])
      return convolve(x, kernel, builder.parameter("s.bias", [2]), { onto: h })
    }
    const graph = define(block)
    expect(graph.nodes.filter(node => node.op === "Conv")).toHaveLength(6)
    // Vectors are joined, images are not.
    const ranks = graph.nodes
      .filter(node => node.op === "Concat")
      .map(({ outputs }) => graph.types.get(outputs[0]!))
    for (const type of ranks) expect(type!.shape).toHaveLength(2)

    const weights = weightsFrom({
      "n.weight": irregular([16]).data,
      "n.bias": irregular([16], 2).data,
      "c.weight": irregular([2, 16, 3, 3], 3).data,
      "c.bias": irregular([2], 4).data,
      "s.weight": irregular([2, 16, 1, 1], 5).data,
      "s.bias": irregular([2], 6).data,
    })
    const feeds = Object.fromEntries(
      [8, 4, 4].map((count, i) => [`p${i}`, irregular([2, count, side, side], 7 + i)]),
    )
    // Behind another node the joined image is one like any other.
    const [{ y }, whole] = [
      await runGraph(graph, feeds, weights),
      await runGraph(
        define(x => block(add(x, 0))),
        feeds,
        weights,
      ),
    ]
    expect(y!.shape).toEqual([2, 2, side, side])
    expect(maxDifference(y, whole.y)).toBeLessThan(2e-4)
  })

  test("a fully connected layer is x·Wᵀ + b", async () => {
    const builder = g()
    const graph = builder.build({ y: linear("l", builder.input("x", "float32", ["batch", 2]), 1) })
    const weights = weightsFrom({ "l.weight": [2, -3], "l.bias": [0.5] })
    const x: Tensor = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 1, 10, 2) }
    expect((await runGraph(graph, { x }, weights)).y).toMatchObject({
      shape: [2, 1],
      data: Float32Array.of(-0.5, 14.5),
    })
  })

  test("a sum of images doesn't broadcast", () => {
    const builder = g()
    const [a, b] = ["a", "b"].map((name, i) => builder.input(name, "float32", ["batch", 3, 1 + i, 1 + i]))
    expect(() => sum(a!, b!)).toThrow(expect.objectContaining({ code: "GRAPH_SHAPE" }))
    expect(sum(a!, a!).shape).toEqual(a!.shape)
  })

  // PyTorch's values at −2, −0.5, 0, 1, 3, in float64.
  test.each([
    ["silu", [-0.238405844, -0.188770334, 0, 0.731058579, 2.85772238]],
    ["SWISH", [-0.238405844, -0.188770334, 0, 0.731058579, 2.85772238]],
    ["mish", [-0.252501483, -0.220743775, 0, 0.865098388, 2.986535005]],
    ["gelu", [-0.045500264, -0.154268769, 0, 0.841344746, 2.995950306]],
    ["ReLU", [0, 0, 0, 1, 3]],
  ])("the activation function %s", async (name, expected) => {
    const builder = g()
    const graph = builder.build({ y: activation(name)(builder.input("x", "float32", [5])) })
    const x: Tensor = { dtype: "float32", shape: [5], data: Float32Array.of(-2, -0.5, 0, 1, 3) }
    const { y } = await runGraph(graph, { x })
    expect([...y!.data]).toEqual(expected.map(value => expect.closeTo(value, 5)))
  })

  test("self-attention is softmax(QᵀK/√d)Vᵀ per head", async () => {
    const [count, headDim, height, width] = [6, 3, 2, 2]
    const names = { query: "q", key: "k", value: "v", out: "o" }
    const builder = g()
    const x = builder.input("x", "float32", ["batch", count, height, width])
    const graph = builder.build({ y: selfAttention("a", x, { headDim, gain: 0.5, names }) })
    const tensors = Object.fromEntries(
      Object.values(names).flatMap((name, i) => [
        [`a.${name}.weight`, irregular([count, count], i + 2).data.map(value => 4 * value - 2)],
        [`a.${name}.bias`, irregular([count], i + 12).data],
      ]),
    )
    const image = irregular([1, count, height, width])
    const { y } = await runGraph(graph, { x: image }, weightsFrom(tensors))

    const pixels = height * width
    const project =
      (name: string, input: (channel: number, pixel: number) => number) => (row: number, pixel: number) => {
        let value = tensors[`a.${name}.bias`]![row]!
        for (let c = 0; c < count; c++)
          value += tensors[`a.${name}.weight`]![row * count + c]! * input(c, pixel)
        return value
      }
    const at = (channel: number, pixel: number): number => image.data[channel * pixels + pixel]!
    const [q, k, v] = ["q", "k", "v"].map(name => project(name, at)) as [typeof at, typeof at, typeof at]
    const mixed = (channel: number, pixel: number): number => {
      const head = Math.floor(channel / headDim) * headDim
      const scores = Array.from({ length: pixels }, (_, other) => {
        let dot = 0
        for (let d = 0; d < headDim; d++) dot += q(head + d, pixel) * k(head + d, other)
        return Math.exp(dot / Math.sqrt(headDim))
      })
      const total = scores.reduce((a, b) => a + b)
      return scores.reduce((a, score, other) => a + (score / total) * v(channel, other), 0)
    }
    const out = project("o", mixed)
    const data = Float64Array.from(
      { length: count * pixels },
      (_, i) => 0.5 * out(Math.floor(i / pixels), i % pixels),
    )
    expect(maxDifference(y, { dtype: "float64", shape: [1, count, height, width], data })).toBeLessThan(1e-5)
  })
})
