import { expect, test } from "vitest"
import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import { conv, convTranspose } from "../../src/graph/ops/convolution.ts"
import { add, div, exp, mul, relu, silu } from "../../src/graph/ops/elementwise.ts"
import { linear, matmul } from "../../src/graph/ops/matmul.ts"
import { instanceNormalization } from "../../src/graph/ops/normalization.ts"
import { averagePool } from "../../src/graph/ops/pooling.ts"
import { reduceMean, reduceSum, softmax } from "../../src/graph/ops/reduction.ts"
import { nearestUpsample } from "../../src/graph/ops/resize.ts"
import { concat, gather, pad, reshape, slice, split, transpose } from "../../src/graph/ops/shape.ts"
import type { Attributes, Graph } from "../../src/graph/types.ts"
import { vjp } from "../../src/graph/vjp/vjp.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { createSession, type ModelSource, type Session } from "../../src/runtime/session.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { hashWeights } from "../models/score-sde/case.ts"
import { configOf, loadFixture } from "../models/unet2d-fixtures.ts"
import { noise, norm, sizeFor } from "./finite-differences.ts"
import { modelOf, runModel } from "./run-graph.ts"

// Gradients on WebAssembly and on WebGPU (SwiftShader), against the CPU's, which other tests check.

interface Subject {
  readonly model: ModelSource
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly expected: Readonly<Record<string, Tensor>>
}

/** Every kind of rule in one graph, by its input and all its weights. */
function manyOperators(): Graph {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 4, 8, 8])
  const weight = (name: string, ...shape: number[]): Value => g.parameter(`${name}.weight`, shape)
  const apply = (op: string, value: Value, attributes: Attributes): Value =>
    g.apply(op, [value], attributes)[0]!
  const ints = (...value: number[]) => ({ kind: "ints", value }) as const
  const wide = conv(x, weight("wide", 6, 4, 3, 3), weight("bias", 6), { padding: 1 })
  const halved = conv(wide, weight("halved", 5, 6, 3, 3), undefined, { stride: 2, padding: [0, 0, 1, 1] })
  const blurred = conv(x, weight("blurred", 4, 1, 4, 4), undefined, { stride: 2, padding: 1, groups: 4 })
  const smooth = conv(blurred, weight("smooth", 4, 1, 3, 3), undefined, { padding: 1, groups: 4 })
  const grown = convTranspose(halved, weight("grown", 5, 4, 4, 4), undefined, { stride: 2, padding: 1 })
  const normed = silu(instanceNormalization(wide, weight("scale", 6), weight("shift", 6), 1e-5))
  const tokens = transpose(reshape(halved, ["batch", 5, 16]), [0, 2, 1])
  const [query, key, value] = split(matmul(tokens, weight("qkv", 5, 15)), 2, [5, 5, 5]) as [
    Value,
    Value,
    Value,
  ]
  const mixed = matmul(softmax(matmul(query, transpose(key, [0, 2, 1]))), value)
  const pooled = apply("MaxPool", relu(wide), { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) })
  const averaged = apply("AveragePool", wide, { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) })
  const mirrored = pad(x, [0, 0, 1, 1], [0, 0, 1, 1], "reflect")
  const scales = g.constant("float32", [4], Float32Array.of(1, 1, 1.5, 2))
  const stretched = g.apply("Resize", [halved, undefined, scales], {
    mode: { kind: "string", value: "linear" },
  })[0]!
  const rows = gather(weight("table", 7, 6), g.constant("int64", [3], BigInt64Array.of(1n, -1n, 1n)))
  const steps = g.apply("Slice", [
    x,
    ...[
      [7, 0],
      [-9, 8],
      [2, 3],
      [-2, 3],
    ].map(n => g.ints(n)),
  ])[0]!
  const clipped = g.apply("Clip", [x, g.scalar(-0.5), g.scalar(0.4)])[0]!
  const larger = g.apply("Max", [slice(wide, 1, 0, 4), x])[0]!
  return g.build({
    grown: add(grown, nearestUpsample(smooth, 2)),
    normed: concat([normed, averagePool(nearestUpsample(pooled, 2), 2), averaged], 1),
    mixed: div(mixed, add(reduceSum(exp(mixed), [2]), 1)),
    mirrored,
    stretched,
    rows: linear(rows, weight("dense", 2, 6), weight("dense.offset", 2)),
    steps,
    chosen: mul(clipped, larger),
    loss: reduceMean(mul(x, x), [1, 2, 3]),
  })
}

async function subjectOf(
  graph: Graph,
  by: readonly string[],
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Subject> {
  const shapes = parameterShapes(graph)
  const outputs = graph.outputs.map(({ name }) => name)
  const model = await modelOf(vjp(graph, outputs, by), hashWeights(shapes))
  const batch = Object.values(inputs)[0]!.shape[0]!
  const cotangents = graph.outputs.map(({ name, shape }, i) => {
    const sizes = shape.map(size => sizeFor(size, batch))
    return [`${name}_cotangent`, noise(sizes, i)] as const
  })
  const feeds = { ...inputs, ...Object.fromEntries(cotangents) }
  return { model, feeds, expected: await runModel(model, feeds) }
}

function operatorsSubject(): Promise<Subject> {
  const graph = manyOperators()
  return subjectOf(graph, ["x", ...parameterShapes(graph).keys()], { x: noise([2, 4, 8, 8], 0) })
}

function networkSubject(): Promise<Subject> {
  const { config, size } = loadFixture("blocks").cases.find(({ name }) => name === "skip")!
  // The network takes sines of the logarithm, which drivers round in their own ways; that of 1 is exact.
  const timestep = tensor("float32", [1], Float32Array.of(1))
  const feeds = { sample: noise([1, 3, ...size], 0), timestep }
  return subjectOf(unet2dGraph(configOf(config), size), ["sample"], feeds)
}

// One session stays open on WebGPU, since SwiftShader forgets its compiled shaders with the last.
test.each(["wasm", "webgpu"] as const)("%s", { timeout: 180_000 }, async device => {
  const operators = await operatorsSubject()
  await using first = await createSession(operators.model, { device, worker: false, threads: 1 })
  await expectSame(first, operators)
  const network = await networkSubject()
  await using second = await createSession(network.model, { device, worker: false, threads: 1 })
  await expectSame(second, network)
})

async function expectSame(session: Session, { feeds, expected }: Subject): Promise<void> {
  const found = await session.run(feeds)
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  // Some gradients are zero but for rounding.
  const floor = 1e-3 * Math.max(...Object.values(expected).map(norm))
  for (const [name, wanted] of Object.entries(expected)) {
    expect(found[name]!.shape, name).toEqual(wanted.shape)
    expect(relativeError(found[name]!, wanted, floor), name).toBeLessThan(1e-4)
  }
}

/** Norm of the difference, relative to that of what is wanted or to `floor`, whichever is larger. */
function relativeError(found: Tensor, wanted: Tensor, floor: number): number {
  const difference = Float32Array.from(
    wanted.data as Float32Array,
    (value, i) => Number(found.data[i]) - value,
  )
  return norm({ ...wanted, data: difference } as Tensor) / Math.max(norm(wanted), floor)
}
