import { readFileSync } from "node:fs"
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { decodeGraph } from "../../src/graph/decode.ts"
import { GraphError } from "../../src/graph/errors.ts"
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  type GraphProtoSchema as GraphSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProtoSchema as TensorSchema,
} from "../../src/graph/onnx_pb.ts"

// Whatever the bytes say, reading them ends in a graph or in a GraphError, soon and without much memory.

type GraphInit = MessageInitShape<typeof GraphSchema>
type TensorInit = MessageInitShape<typeof TensorSchema>

const opsetImport = [{ domain: "", version: 18n }]

function modelBytes(graph: GraphInit): Uint8Array {
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }))
}

function withTensor(tensor: TensorInit): Uint8Array {
  return modelBytes({ name: "g", initializer: [{ name: "w", dims: [4n], dataType: 1, ...tensor }] })
}

function tensorType(...sizes: number[]) {
  const dim = sizes.map(size => ({ value: { case: "dimValue", value: BigInt(size) } }) as const)
  return { value: { case: "tensorType", value: { elemType: 1, shape: { dim } } } } as const
}

const x = { name: "x", type: tensorType(2, 4) }
const y = { name: "y", type: tensorType(2, 4) }

function refuses(
  bytes: Uint8Array,
  words: string | RegExp,
  external?: ReadonlyMap<string, Uint8Array>,
): void {
  expect(() => decodeGraph(bytes, external)).toThrow(
    expect.objectContaining({
      name: "GraphError",
      code: "GRAPH_INVALID_FILE",
      message: expect.stringMatching(words),
    }),
  )
}

describe("bytes that are no model", () => {
  test.each([
    ["nothing", ""],
    ["text", "<!doctype html><title>404</title>"],
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"],
    ["zeros", "\0".repeat(100)],
  ])("%s", (_, text) => refuses(new TextEncoder().encode(text), /ONNX/))

  test("a model without a graph, and one without a version of the operators", () => {
    refuses(
      toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport })),
      "no ONNX graph",
    )
    const model = create(ModelProtoSchema, {
      graph: { name: "g" },
      opsetImport: [{ domain: "own", version: 1n }],
    })
    refuses(toBinary(ModelProtoSchema, model), "version")
  })
})

describe("files that are cut or changed", () => {
  const files = ["if-subgraph", "listed-data", "constants"].map(name =>
    Uint8Array.from(readFileSync(new URL(`../fixtures/graph/${name}.onnx`, import.meta.url))),
  )

  function decodes(bytes: Uint8Array): boolean {
    try {
      decodeGraph(bytes)
      return true
    } catch (error) {
      if (!(error instanceof GraphError)) throw error
      return false
    }
  }

  test("at every length", () => {
    for (const bytes of files) {
      expect(decodes(bytes)).toBe(true)
      for (let length = 0; length < bytes.length; length++) {
        // A cut between two fields of the model itself can leave a whole model.
        if (decodes(bytes.subarray(0, length))) expect(length).toBeGreaterThan(0.9 * bytes.length)
      }
    }
  })

  test("in any bytes", () => {
    const changes = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...files), changes, (bytes, list) => {
        const changed = bytes.slice()
        for (const [place, value] of list) changed[place % bytes.length] = value
        decodes(changed)
      }),
      { numRuns: 2000 },
    )
  })

  test("into any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        decodes(bytes)
      }),
      { numRuns: 2000 },
    )
  })
})

describe("tensors", () => {
  test.each<[problem: string, tensor: TensorInit, words: string]>([
    ["too few raw bytes", { rawData: new Uint8Array(12) }, "[4] holds 3 elements"],
    ["too many raw bytes", { rawData: new Uint8Array(20) }, "[4] holds 5 elements"],
    ["a broken element", { rawData: new Uint8Array(15) }, "[4] holds 3.75 elements"],
    ["no elements", {}, "[4] holds 0 elements"],
    ["elements in an empty shape", { dims: [0n], rawData: new Uint8Array(4) }, "[0] holds 1 elements"],
    ["too many listed elements", { floatData: [1, 2, 3, 4, 5] }, "[4] holds 5 elements"],
    ["elements listed in another type's field", { int64Data: [1n, 2n, 3n, 4n] }, "[4] holds 0 elements"],
    ["a negative size", { dims: [-4n], rawData: new Uint8Array(16) }, "[-4]"],
    ["more elements than there are numbers", { dims: [2n ** 40n, 2n ** 40n] }, "can't have the shape"],
    ["a size beyond 2^53", { dims: [2n ** 62n] }, "can't have the shape"],
    ["a terabyte", { dims: [2n ** 38n], rawData: new Uint8Array(16) }, "holds 4 elements"],
    ["an element type without a name", { dataType: 99, rawData: new Uint8Array(4) }, "element type 99"],
    ["text", { dataType: 8, stringData: [new Uint8Array(1)] }, "element type 8"],
  ])("%s", (_, tensor, words) => refuses(withTensor(tensor), words.replaceAll(/[[\]]/g, "\\$&")))

  test("that stand at odd places are copied, also out of Node's buffers", () => {
    const values = Float32Array.of(1, 2, 3, 4)
    const bytes = withTensor({ rawData: new Uint8Array(values.buffer) })
    for (let shift = 0; shift < 4; shift++) {
      const buffer = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift)
      const file = Buffer.concat([Buffer.alloc(shift), new Uint8Array(values.buffer)]).subarray(shift)
      const outside = withTensor({ dataLocation: 1, externalData: [{ key: "location", value: "w" }] })
      for (const graph of [decodeGraph(buffer), decodeGraph(outside, new Map([["w", file]]))]) {
        expect(graph.initializers.get("w")).toMatchObject({ tensor: { data: values } })
      }
    }
  })
})

describe("external data", () => {
  function reference(entries: Readonly<Record<string, string>>): Uint8Array {
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }))
    return withTensor({ dataLocation: 1, externalData })
  }
  const files = new Map([["weights", new Uint8Array(100)]])

  test("inside the file", () => {
    for (const entries of [{ offset: "84", length: "16" }, { offset: "84" }]) {
      const graph = decodeGraph(reference({ location: "weights", ...entries }), files)
      expect(graph.initializers.get("w")).toMatchObject({ tensor: { data: new Float32Array(4) } })
    }
  })

  test.each<[problem: string, entries: Record<string, string>, words: string]>([
    ["a file that isn't given", { location: "other" }, '"other", which was not given'],
    ["a file that is elsewhere", { location: "../../etc/passwd" }, "was not given"],
    ["no file", {}, '"", which was not given'],
    ["an end behind the file's", { location: "weights", offset: "85", length: "16" }, "byte 101 of"],
    ["a start behind the file's end", { location: "weights", offset: "101" }, "byte 101 of"],
    ["a length that isn't the tensor's", { location: "weights", length: "20" }, "holds 5 elements"],
    ["the length left out", { location: "weights" }, "holds 25 elements"],
    ["a negative start", { location: "weights", offset: "-4", length: "16" }, 'offset .* "-4"'],
    ["a negative length", { location: "weights", length: "-16" }, 'length .* "-16"'],
    ["a broken start", { location: "weights", offset: "1.5", length: "16" }, 'offset .* "1.5"'],
    ["no number", { location: "weights", offset: "zero" }, 'offset .* "zero"'],
    ["a huge number", { location: "weights", length: "9".repeat(30) }, 'length .* "9{30}"'],
  ])("%s", (_, entries, words) => refuses(reference(entries), words, files))
})

describe("nesting", () => {
  test("of graphs in attributes", () => {
    let graph = create(GraphProtoSchema, { name: "innermost" })
    // Deeper than readers go, not deeper than this writer can.
    for (let depth = 0; depth < 200; depth++) {
      const attribute = [create(AttributeProtoSchema, { name: "then_branch", type: 5, g: graph })]
      graph = create(GraphProtoSchema, { node: [create(NodeProtoSchema, { opType: "If", attribute })] })
    }
    refuses(modelBytes(graph), "not a protobuf message")
  })

  test.each([100_000, 1_000_000])("of %i groups that nobody knows", depth => {
    const opening = new BinaryWriter().tag(99, WireType.StartGroup).finish()
    const bytes = new Uint8Array(depth * opening.length)
    for (let i = 0; i < depth; i++) bytes.set(opening, i * opening.length)
    refuses(bytes, "not a protobuf message")
  })
})

describe("nodes", () => {
  const relu = { opType: "Relu", input: ["x"], output: ["y"] }

  test.each<[problem: string, graph: GraphInit, words: string]>([
    ["an input that nothing defines", { node: [{ ...relu, input: ["z"] }] }, '"z", which nothing before it'],
    [
      "an input that is defined later",
      {
        node: [
          { ...relu, input: ["z"] },
          { ...relu, output: ["z"] },
        ],
      },
      '"z", which nothing before it',
    ],
    ["a node that reads itself", { node: [{ ...relu, input: ["y"] }] }, '"y", which nothing before it'],
    ["an output that is defined twice", { node: [relu, relu] }, '"y" is defined twice'],
    ["an output in the place of an input", { node: [{ ...relu, output: ["x"] }] }, '"x" is defined twice'],
    ["a graph output that nothing defines", { node: [] }, 'output "y"'],
    [
      "a graph output of unknown type",
      { node: [{ ...relu, opType: "Own" }], output: [{ name: "y" }] },
      '"y"',
    ],
    ["a graph input that is no tensor", { input: [{ name: "x", type: {} }], node: [relu] }, '"x"'],
    [
      "a tensor that is defined twice",
      {
        node: [relu],
        initializer: [
          { name: "w", dataType: 1, floatData: [1] },
          { name: "w", dataType: 1, floatData: [2] },
        ],
      },
      '"w" is defined twice',
    ],
  ])("%s", (_, graph, words) => refuses(modelBytes({ name: "g", input: [x], output: [y], ...graph }), words))

  test("attributes that ask for a lot get nothing", () => {
    const count = 2n ** 40n
    const split = {
      opType: "Split",
      input: ["x"],
      output: ["y"],
      attribute: [{ name: "num_outputs", type: 2, i: count }],
    }
    const pool = {
      opType: "MaxPool",
      input: ["x"],
      output: ["z"],
      attribute: [{ name: "kernel_shape", type: 7, ints: Array(1000).fill(count) }],
    }
    const graph = decodeGraph(modelBytes({ name: "g", input: [x], output: [y], node: [split, pool] }))
    expect(graph.types.has("z")).toBe(false)
  })

  test("operators and attributes that are called like JavaScript's own properties are strangers", () => {
    const attribute = [{ name: "__proto__", type: 2, i: 1n }]
    const names = ["constructor", "__proto__", "toString"]
    const node = names.map((opType, i) => ({ opType, input: ["x"], output: [`y${i}`], attribute }))
    const graph = decodeGraph(modelBytes({ name: "g", input: [x], output: [], node }))
    expect(graph.nodes.map(({ op, attributes }) => [op, Object.keys(attributes)])).toEqual(
      names.map(name => [name, ["__proto__"]]),
    )
    expect(graph.types.size).toBe(1)
  })
})
