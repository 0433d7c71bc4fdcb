import { describe, expect, test } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { GraphError } from "../../src/graph/errors.ts"
import { conv } from "../../src/graph/ops/convolution.ts"
import { add, mul, relu } from "../../src/graph/ops/elementwise.ts"
import { reshape, split } from "../../src/graph/ops/shape.ts"
import type { Graph } from "../../src/graph/types.ts"
import { runGraph } from "./run-graph.ts"

function graphError(code: GraphError["code"], ...words: string[]): unknown {
  return expect.toSatisfy(
    error => {
      expect(error).toBeInstanceOf(GraphError)
      expect(error).toMatchObject({ code })
      for (const word of words) expect((error as GraphError).message).toContain(word)
      return true
    },
    `a GraphError ${code} with ${words.join(", ")}`,
  )
}

function picture(g: GraphBuilder, channels = 3) {
  return g.input("x", "float32", ["batch", channels, 8, 8])
}

describe("what doesn't fit", () => {
  test("is named with its operator, place, shapes and the problem", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    const weight = g.parameter("conv.weight", [4, 5, 3, 3])
    const build = () => g.at("down_blocks.0/conv", () => conv(x, weight))
    expect(build).toThrow(
      graphError(
        "GRAPH_SHAPE",
        "Conv in down_blocks.0/conv",
        "5 × 1 input channels",
        "float32[batch, 3, 8, 8], float32[4, 5, 3, 3]",
      ),
    )
  })

  test("the place is the outer one again afterwards, also behind an error", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    g.at("outer", () => {
      expect(() =>
        g.at("inner", () => {
          throw new Error("stop")
        }),
      ).toThrow("stop")
      expect(() => reshape(x, [7])).toThrow(graphError("GRAPH_SHAPE", "Reshape in outer"))
    })
    expect(() => reshape(x, [7])).toThrow(/^Reshape: /)
  })

  test("an unknown operator", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    for (const op of ["FusedConv", "constructor", "__proto__"]) {
      expect(() => g.apply(op, [x])).toThrow(graphError("GRAPH_UNKNOWN_OPERATOR", op))
    }
  })

  test("a number of outputs that the operator doesn't have", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    expect(() => g.apply("Relu", [x], {}, 2)).toThrow(graphError("GRAPH_SHAPE", "Relu", "2"))
  })

  test("an attribute of another kind", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    const attributes = { axis: { kind: "float", value: 1 } } as const
    expect(() => g.apply("Concat", [x, x], attributes)).toThrow(
      graphError("GRAPH_SHAPE", "Concat", "axis", "int"),
    )
  })

  test("sizes that are none", () => {
    const g = new GraphBuilder("test")
    for (const shape of [[-1], [1.5], [Number.NaN], [2 ** 60], [""]]) {
      expect(() => g.input("x", "float32", shape)).toThrow(graphError("GRAPH_SHAPE", '"x"'))
    }
    expect(() => g.ints([0.5])).toThrow(graphError("GRAPH_SHAPE", "0.5"))
  })

  test("an opset without rules", () => {
    for (const opset of [17, 22, Number.NaN]) {
      expect(() => new GraphBuilder("test", { opset })).toThrow(graphError("GRAPH_STRUCTURE", "18 to 21"))
    }
  })
})

describe("names", () => {
  test("a name belongs to one value", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    expect(() => g.input("x", "float32", [1])).toThrow(graphError("GRAPH_STRUCTURE", '"x"'))
    expect(() => g.parameter("x", [1])).toThrow(graphError("GRAPH_STRUCTURE", '"x"'))
    expect(() => g.build({ x: relu(x) })).toThrow(graphError("GRAPH_STRUCTURE", '"x"'))
    expect(() => g.input("", "float32", [1])).toThrow(graphError("GRAPH_STRUCTURE", "name"))
  })

  test("a weight that is declared again is the same one, if its type is", () => {
    const g = new GraphBuilder("test")
    expect(g.parameter("w", [2, 3]).name).toBe(g.parameter("w", [2, 3]).name)
    expect(() => g.parameter("w", [3, 2])).toThrow(graphError("GRAPH_STRUCTURE", "[2, 3]", "[3, 2]"))
    expect(() => g.parameter("w", [2, 3], "float16")).toThrow(graphError("GRAPH_STRUCTURE", "float16"))
  })

  test("values of another graph", () => {
    const [g, other] = [new GraphBuilder("one"), new GraphBuilder("two")]
    const [x, y] = [picture(g), picture(other)]
    expect(() => g.at("here", () => add(x, y))).toThrow(
      graphError("GRAPH_STRUCTURE", "Add", "here", "another graph"),
    )
    expect(() => g.build({ y: relu(y) })).toThrow(graphError("GRAPH_STRUCTURE", '"y"', "another graph"))
    expect(() => g.value("z")).toThrow(graphError("GRAPH_STRUCTURE", '"z"'))
  })

  test("a graph without outputs", () => {
    expect(() => new GraphBuilder("test").build({})).toThrow(graphError("GRAPH_STRUCTURE", "no outputs"))
  })
})

describe("what is built", () => {
  test("holds only what the outputs need", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    g.input("unused input", "float32", [1])
    mul(x, g.parameter("unused weight", [1]))
    const [left] = split(x, 1, [1, 2])
    const graph = g.build({ y: add(left!, 1) })
    expect(graph.nodes.map(node => node.op)).toEqual(["Split", "Add"])
    expect([...graph.initializers.keys()].filter(name => name.includes("weight"))).toEqual([])
    expect(graph.inputs.map(input => input.name)).toEqual(["x", "unused input"])
    expect(graph.types.get("y")).toEqual({ dtype: "float32", shape: ["batch", 1, 8, 8] })
  })

  test("equal small constants are one, but not 0 and −0, nor equal numbers of different types", () => {
    const g = new GraphBuilder("test")
    expect(g.scalar(0.5).name).toBe(g.scalar(0.5).name)
    expect(g.scalar(0).name).not.toBe(g.scalar(-0).name)
    expect(g.ints([1]).name).not.toBe(g.constant("int32", [1], Int32Array.of(1)).name)
    expect(g.ints([1]).name).not.toBe(g.constant("int64", [], BigInt64Array.of(1n)).name)
  })

  test("a constant has as many elements as its shape", () => {
    const g = new GraphBuilder("test")
    expect(() => g.constant("float32", [2, 2], new Float32Array(3))).toThrow(/4 elements/)
  })

  test("inputs, constants and one value twice can be outputs", async () => {
    const g = new GraphBuilder("test")
    const x = g.input("x", "float32", ["batch"])
    const y = mul(x, 2)
    const graph: Graph = g.build({ same: x, first: y, second: y, constant: g.scalar(7) })
    const outputs = await runGraph(graph, {
      x: { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) },
    })
    expect(Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, [...data]]))).toEqual({
      same: [1, 2],
      first: [2, 4],
      second: [2, 4],
      constant: [7],
    })
  })

  test("the node behind a value", () => {
    const g = new GraphBuilder("test")
    const x = picture(g)
    expect(g.producer(x)).toBeUndefined()
    expect(g.producer(g.at("place", () => relu(x)))).toMatchObject({ op: "Relu", scope: "place" })
  })
})
