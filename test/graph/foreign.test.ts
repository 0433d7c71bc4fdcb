import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { decodeGraph } from "../../src/graph/decode.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import { unknownOperators } from "../../src/graph/infer.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import { removeUnused } from "../../src/graph/remove-unused.ts"
import type { Graph } from "../../src/graph/types.ts"
import type { Tensor } from "../../src/tensor.ts"
import { float16ToFloat32 } from "../../src/weights/half.ts"
import { maxDifference, modelOf, runModel } from "./run-graph.ts"

// Models that other tools wrote (test/fixtures/graph), read and written again.

const folder = new URL("../fixtures/graph/", import.meta.url)
const expected: {
  x: number[]
  outputs: Record<string, Record<string, readonly (number | string)[]>>
} = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8"))

function bytesOf(name: string): Uint8Array {
  return readFileSync(new URL(`${name}.onnx`, folder))
}

function feed(scale = 1): Record<string, Tensor> {
  return { x: { dtype: "float32", shape: [2, 3], data: Float32Array.from(expected.x, v => v * scale) } }
}

async function write(graph: Graph): Promise<Uint8Array> {
  return encodeWithExternalData(graph, "none", { places: [], totalBytes: 0 })
}

test.each(["if-subgraph", "custom-domain", "constants", "opset-13"])(
  "%s computes what it should before and after a round trip",
  async name => {
    const graph = decodeGraph(bytesOf(name))
    const again = decodeGraph(await write(graph))
    const outputs = expected.outputs[name]!
    for (const model of [{ bytes: bytesOf(name) }, await modelOf(graph), await modelOf(again)]) {
      const results = await runModel(model, feed())
      for (const [output, values] of Object.entries(outputs)) {
        const wanted = Array.from(values, Number)
        expect(Array.from(results[output]!.data as ArrayLike<unknown>, Number)).toEqual(
          wanted.map(value => expect.closeTo(value, 5)),
        )
      }
    }
  },
)

describe("a graph with subgraphs", () => {
  const graph = decodeGraph(bytesOf("if-subgraph"))

  test("keeps what only its subgraphs read, and drops what nothing reads", async () => {
    for (const smaller of [removeUnused(graph), foldParameters(graph)]) {
      expect(smaller.nodes.map(node => node.op)).toEqual(["Add", "ReduceMax", "Greater", "If", "Relu"])
      expect([...smaller.initializers.keys()].sort()).toEqual(["limit", "offset"])
      // Both branches of the outer If.
      for (const scale of [1, 0.1]) {
        const before = await runModel({ bytes: bytesOf("if-subgraph") }, feed(scale))
        const after = await runModel(await modelOf(smaller), feed(scale))
        expect(maxDifference(after.y, before.y)).toBe(0)
      }
    }
  })

  test("knows no type behind the If, and says which operators have no rule", () => {
    expect(graph.types.get("doubled")).toEqual({ dtype: "float32", shape: ["N", 3] })
    expect(graph.types.has("chosen")).toBe(false)
    expect(unknownOperators(graph)).toEqual(["If"])
  })
})

test("operators of other domains keep their domain and its version", () => {
  const graph = decodeGraph(bytesOf("custom-domain"))
  expect(graph.nodes.map(({ domain, op }) => [domain, op])).toEqual([
    ["", "Mul"],
    ["com.microsoft", "Gelu"],
    ["", "Neg"],
  ])
  expect(graph).toMatchObject({ opset: 18, otherOpsets: new Map([["com.microsoft", 1]]) })
  expect(unknownOperators(graph)).toEqual(["com.microsoft:Gelu"])
})

test("tensors that are listed element by element", () => {
  const { initializers } = decodeGraph(bytesOf("listed-data"))
  const values = expected.outputs["listed-data"]!
  for (const name of ["double", "int64", "int32", "int16", "int8", "uint8", "bool", "half", "bfloat"]) {
    const initializer = initializers.get(name)
    if (initializer?.kind !== "constant") return expect.unreachable()
    const { dtype, data } = initializer.tensor
    if (dtype === "float16") {
      expect([...float16ToFloat32(data as Uint16Array)]).toEqual(values[`${name}_out`])
    } else if (dtype === "bfloat16") {
      expect([...data]).toEqual([0x3f00, 0xbfc0, 0x4040])
    } else {
      const wanted = values[`${name}_out`]!
      expect(Array.from(data as ArrayLike<unknown>, String)).toEqual(Array.from(wanted, String))
    }
  }
})

test("Constant nodes become constants, and outputs without a shape get the one that the rules find", () => {
  const graph = decodeGraph(bytesOf("constants"))
  expect(graph.nodes.map(node => node.op)).not.toContain("Constant")
  expect(graph.outputs[0]).toEqual({ name: "y", dtype: "float32", shape: ["N", 3] })
})

describe("attributes that numbers and text can't hold", () => {
  test("come out of a round trip as they were", async () => {
    const graph = decodeGraph(bytesOf("odd-attributes"))
    const [first, second] = graph.nodes
    expect(first!.attributes.large).toMatchObject({ kind: "opaque", value: { i: 2n ** 63n - 1n } })
    expect(first!.attributes.larges).toMatchObject({ kind: "opaque", value: { ints: [-(2n ** 63n), 1n] } })
    expect(first!.attributes.text).toMatchObject({ kind: "opaque", value: { s: Buffer.of(0xff, 0xfe) } })
    expect(second!.attributes.mark).toEqual({ kind: "string", value: "\uFEFFtext" })
    expect(second!.attributes.untyped).toMatchObject({ kind: "opaque", value: { i: 3n } })
    const once = await write(graph)
    expect(Buffer.compare(await write(decodeGraph(once)), once)).toBe(0)
  })
})

test("before opset 18 only declared types are known", () => {
  const graph = decodeGraph(bytesOf("opset-13"))
  expect(graph.opset).toBe(13)
  expect([...graph.types.keys()].sort()).toEqual(["x", "y"])
})

test.each([
  ["functions", "functions of its own"],
  ["sparse", "sparse tensors"],
])("%s are refused", (name, words) => {
  expect(() => decodeGraph(bytesOf(name))).toThrow(
    expect.objectContaining({ code: "GRAPH_INVALID_FILE", message: expect.stringContaining(words) }),
  )
})
