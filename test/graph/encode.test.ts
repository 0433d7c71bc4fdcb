import { fromBinary } from "@bufbuild/protobuf"
import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { decodeGraph } from "../../src/graph/decode.ts"
import { encodeInline, encodeWithExternalData } from "../../src/graph/encode.ts"
import { type ModelProto, ModelProtoSchema } from "../../src/graph/onnx_pb.ts"
import { conv } from "../../src/graph/ops/convolution.ts"
import { add, mul, silu } from "../../src/graph/ops/elementwise.ts"
import { linear } from "../../src/graph/ops/matmul.ts"
import { averagePool } from "../../src/graph/ops/pooling.ts"
import { nearestUpsample } from "../../src/graph/ops/resize.ts"
import { concat, reshape } from "../../src/graph/ops/shape.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../../src/graph/types.ts"
import { fillWeights, type WeightSource, weightLayout } from "../../src/graph/weight-layout.ts"
import { irregular, maxDifference, modelOf, runModel } from "./run-graph.ts"

/** A small network with weights of odd sizes, constants, a derived weight, attributes of several kinds. */
function network(): Graph {
  const g = new GraphBuilder("network", { metadata: { author: "test", zeta: "ζ" } })
  const x = g.input("x", "float32", ["batch", 3, 6, 6])
  const t = g.input("t", "float32", ["batch"])
  const h = g.at("in", () =>
    conv(x, g.parameter("in.weight", [5, 3, 3, 3]), g.parameter("in.bias", [5]), { padding: 1 }),
  )
  const time = g.at("time", () =>
    linear(
      reshape(t, ["batch", 1]),
      g.parameter("time.weight", [5, 1]),
      mul(g.parameter("time.bias", [5]), 0.5),
    ),
  )
  const shifted = add(h, reshape(time, ["batch", 5, 1, 1]))
  const down = nearestUpsample(averagePool(silu(shifted), 2), 2)
  return g.build({ y: concat([shifted, down], 1), same: t })
}

const weights: WeightSource = {
  async readFloat32Into(name, target) {
    target.set(irregular([target.length], name.length).data)
  },
}

const feeds = { x: irregular([2, 3, 6, 6]), t: irregular([2]) }

async function inlineBytes(graph: Graph, source: WeightSource = weights): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of encodeInline(graph, source)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function externalModel(graph: Graph): Promise<{ bytes: Uint8Array; data: Uint8Array }> {
  const layout = weightLayout(graph)
  return { bytes: encodeWithExternalData(graph, "data", layout), data: await fillWeights(layout, weights) }
}

describe.each([
  ["as it was built", network],
  ["with folded weights", () => foldParameters(network())],
])("a graph %s", (_, make) => {
  test("computes the same with external data, inline and read back", async () => {
    const graph = make()
    const { bytes, data } = await externalModel(graph)
    const inline = await inlineBytes(graph)
    const expected = await runModel({ bytes, externalData: [{ path: "data", data }] }, feeds)
    const decoded = decodeGraph(bytes, new Map([["data", data]]))
    for (const model of [{ bytes: inline }, await modelOf(decoded), await modelOf(decodeGraph(inline))]) {
      const outputs = await runModel(model, feeds)
      expect(maxDifference(outputs.y, expected.y)).toBe(0)
      expect(maxDifference(outputs.same, expected.same)).toBe(0)
    }
  })

  test("is the same graph when read back, its weights turned into constants", async () => {
    const graph = make()
    const { bytes, data } = await externalModel(graph)
    for (const decoded of [
      decodeGraph(bytes, new Map([["data", data]])),
      decodeGraph(await inlineBytes(graph)),
    ]) {
      const { nodes, inputs, outputs, name, opset, otherOpsets, metadata } = graph
      expect(decoded).toMatchObject({ nodes, inputs, outputs, name, opset, otherOpsets, metadata })
      expect(decoded.types).toEqual(graph.types)
      expect([...decoded.initializers.keys()].sort()).toEqual([...graph.initializers.keys()].sort())
      for (const [name, initializer] of graph.initializers) {
        const back = decoded.initializers.get(name)!
        const { dtype, shape } = initializer.kind === "constant" ? initializer.tensor : initializer
        expect(back).toMatchObject({ kind: "constant", tensor: { dtype, shape } })
        if (initializer.kind === "constant") expect(back).toMatchObject({ tensor: initializer.tensor })
      }
    }
  })

  test("is written the same after it has been read", async () => {
    const once = await inlineBytes(make())
    const twice = await inlineBytes(decodeGraph(once))
    const thrice = await inlineBytes(decodeGraph(twice))
    expect(Buffer.compare(twice, thrice)).toBe(0)
    const [first, second] = [once, twice].map(bytes => withoutTensors(fromBinary(ModelProtoSchema, bytes)))
    expect(second).toEqual(first)
  })
})

// Weights stand behind the constants in a fresh file, and among them once they have been read.
function withoutTensors({ graph, ...header }: ModelProto): object {
  const { node, input, output, valueInfo, name } = graph!
  return { ...header, graph: { node, input, output, valueInfo, name } }
}

describe("weights", () => {
  test("stand at multiples of 64 bytes in the external file", async () => {
    const layout = weightLayout(network())
    expect(
      layout.places.map(({ initializer, offset, length }) => [initializer.name, offset, length]),
    ).toEqual([
      ["in.weight", 0, 540],
      ["in.bias", 576, 20],
      ["time.weight", 640, 20],
      ["time.bias", 704, 20],
    ])
    expect(layout.totalBytes).toBe(724)
  })

  test("are read one after the other while the file is written", async () => {
    const events: string[] = []
    const source: WeightSource = {
      async readFloat32Into(name, target) {
        events.push(name)
        return weights.readFloat32Into(name, target)
      },
    }
    for await (const chunk of encodeInline(network(), source)) events.push(`${chunk.length} bytes`)
    const [in_, bias, time] = ["in.weight", "in.bias", "time.weight"].map(name => events.indexOf(name))
    expect(events.slice(in_, bias)).toContain("540 bytes")
    expect(events.slice(bias, time)).toContain("20 bytes")
  })

  test("stop being read when the caller aborts", async () => {
    const controller = new AbortController()
    const chunks = encodeInline(network(), weights, controller.signal)
    await chunks.next()
    controller.abort()
    await expect(
      (async () => {
        for await (const _ of chunks);
      })(),
    ).rejects.toMatchObject({ code: "ABORTED" })
  })

  test("beyond 2 GiB don't fit into one file, which is found before anything is read", async () => {
    const g = new GraphBuilder("large")
    const x = g.input("x", "float32", ["batch", 2 ** 15])
    const graph = g.build({ y: linear(x, g.parameter("w", [2 ** 14, 2 ** 15])) })
    const source: WeightSource = {
      readFloat32Into: () => expect.unreachable("no weight may be read"),
    }
    await expect(inlineBytes(graph, source)).rejects.toMatchObject({
      code: "GRAPH_TOO_LARGE",
      message: expect.stringContaining("external data"),
    })
    const layout = weightLayout(graph)
    expect(encodeWithExternalData(graph, "data", layout).length).toBeLessThan(1000)
  })

  test("of other element types are refused", async () => {
    const g = new GraphBuilder("test")
    const graph = g.build({ y: g.parameter("w", [2], "int64") })
    await expect(fillWeights(weightLayout(graph), weights)).rejects.toMatchObject({
      code: "GRAPH_STRUCTURE",
      message: expect.stringMatching(/"w".*int64/),
    })
  })

  test("of type float16 are rounded from float32", async () => {
    const g = new GraphBuilder("test")
    const graph = g.build({ y: g.parameter("w", [4], "float16") })
    const source: WeightSource = {
      readFloat32Into: async (_, target) => target.set([1, 2 ** -24, -65504, 1 + 2 ** -11]),
    }
    const { y } = await runModel(await modelOf(graph, source), {})
    expect(y).toMatchObject({ dtype: "float16", data: Uint16Array.of(0x3c00, 1, 0xfbff, 0x3c00) })
  })
})

test.each([
  [18, 8n],
  [19, 9n],
  [20, 9n],
  [21, 10n],
])("opset %i is written with the IR version %i that came with it, and runs", async (opset, irVersion) => {
  const g = new GraphBuilder("test", { opset })
  const graph = g.build({ y: mul(g.input("x", "float32", ["batch"]), 2) })
  const model = await modelOf(graph)
  expect(fromBinary(ModelProtoSchema, (model as { bytes: Uint8Array }).bytes)).toMatchObject({ irVersion })
  const { y } = await runModel(model, { x: irregular([2]) })
  expect(maxDifference(y, { ...irregular([2]), data: irregular([2]).data.map(v => 2 * v) })).toBe(0)
})
