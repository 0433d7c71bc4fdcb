import { describe, expect, test } from "vitest"
import type { Attributes, Dim, Graph, Initializer, Node } from "../../src/graph/types.ts"
import { raiseOpset } from "../../src/graph/vjp/raise-opset.ts"
import { resolveShapes } from "../../src/graph/vjp/resolve-shapes.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { compareWithDifferences, noise, vjpSession } from "./finite-differences.ts"
import { modelOf, runGraph, runModel } from "./run-graph.ts"

// Graphs as other tools write them: sizes that the graph computes, axes where older operator sets had them.

interface ForeignNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs?: readonly string[]
  readonly attributes?: Attributes
}

type Constants = Readonly<Record<string, Tensor>>

function foreignGraph(
  nodes: readonly ForeignNode[],
  constants: Constants = {},
  { opset = 18, shape = ["n", 4, 6] as readonly Dim[] } = {},
): Graph {
  const input = { name: "x", dtype: "float32", shape } as const
  // What exporters declare about the output is often no more than this.
  const output = { name: "y", dtype: "float32", shape: ["?"] } as const
  const initializers = Object.entries(constants).map(([name, value]): readonly [string, Initializer] => [
    name,
    { kind: "constant", name, tensor: value },
  ])
  return {
    name: "foreign",
    opset,
    otherOpsets: new Map(),
    inputs: [input],
    outputs: [output],
    nodes: nodes.map(({ op, inputs, outputs = ["y"], attributes = {} }): Node => {
      return { op, domain: "", scope: "", inputs, outputs, attributes }
    }),
    initializers: new Map(initializers),
    types: new Map([["x", input]]),
    metadata: {},
  }
}

function ints(...values: number[]): Tensor {
  return tensor("int64", [values.length], BigInt64Array.from(values, BigInt))
}

function int(value: number): Tensor {
  return tensor("int64", [], BigInt64Array.of(BigInt(value)))
}

function node(op: string, inputs: readonly string[], output = "y", attributes: Attributes = {}): ForeignNode {
  return { op, inputs, outputs: [output], attributes }
}

const integer = (value: number) => ({ kind: "int", value }) as const

const batch = [node("Shape", ["x"], "shape"), node("Gather", ["shape", "zero"], "n", { axis: integer(0) })]
const batchVector = [...batch, node("Unsqueeze", ["n", "zeros"], "nv")]
const one: Constants = { zero: int(0), zeros: ints(0) }

const computed: Readonly<
  Record<string, readonly [nodes: readonly ForeignNode[], constants: Constants, shape: readonly Dim[]]>
> = {
  "a reshape that keeps the batch": [
    [
      ...batchVector,
      node("Concat", ["nv", "rest"], "target", { axis: integer(0) }),
      node("Reshape", ["x", "target"]),
    ],
    { ...one, rest: ints(24) },
    ["n", 24],
  ],
  "a batch that is multiplied": [
    [
      ...batch,
      node("Mul", ["n", "four"], "n4"),
      node("Unsqueeze", ["n4", "zeros"], "nv"),
      node("Concat", ["nv", "rest"], "target", { axis: integer(0) }),
      node("Reshape", ["x", "target"]),
    ],
    { ...one, four: int(4), rest: ints(6) },
    ["n*4", 6],
  ],
  "a batch that is multiplied and divided again": [
    [
      ...batch,
      node("Mul", ["four", "n"], "n4"),
      node("Div", ["n4", "two"], "n2"),
      node("Unsqueeze", ["n2", "zeros"], "nv"),
      node("Concat", ["nv", "rest"], "target", { axis: integer(0) }),
      node("Reshape", ["x", "target"]),
    ],
    { ...one, four: int(4), two: int(2), rest: ints(2, 6) },
    ["n*2", 2, 6],
  ],
  "the sizes of another value": [
    [node("Shape", ["x"], "shape"), node("Reshape", ["x", "flat"], "f"), node("Reshape", ["f", "shape"])],
    { flat: ints(0, -1) },
    ["n", 4, 6],
  ],
  "some of the sizes, with one left open": [
    [
      node("Shape", ["x"], "front", { start: integer(0), end: integer(2) }),
      node("Concat", ["front", "rest"], "target", { axis: integer(0) }),
      node("Reshape", ["x", "target"]),
    ],
    { rest: ints(2, -1) },
    ["n", 4, 2, 3],
  ],
  "an expansion to the batch": [
    [
      ...batchVector,
      node("Concat", ["nv", "rest"], "target", { axis: integer(0) }),
      node("ReduceMean", ["x", "two"], "mean"),
      node("Expand", ["mean", "target"]),
    ],
    { ...one, two: ints(2), rest: ints(4, 3) },
    ["n", 4, 3],
  ],
  "a half of an axis": [
    [
      node("Shape", ["x"], "shape"),
      node("Gather", ["shape", "two"], "width", { axis: integer(0) }),
      node("Add", ["width", "one"], "w1"),
      node("Sub", ["w1", "one"], "w"),
      node("Div", ["w", "two"], "half"),
      node("Unsqueeze", ["half", "zeros"], "end"),
      node("Slice", ["x", "zeros", "end", "axis"]),
    ],
    { ...one, one: int(1), two: int(2), axis: ints(2) },
    ["n", 4, 3],
  ],
  "pads in PyTorch's order": [
    [
      node("ConstantOfShape", ["four"], "none", { value: { kind: "tensor", value: ints(0) } }),
      node("Concat", ["front", "none"], "pairs", { axis: integer(0) }),
      node("Reshape", ["pairs", "rows"], "table"),
      node("Slice", ["table", "last", "first", "zeros", "back"], "turned"),
      node("Transpose", ["turned"], "columns", { perm: { kind: "ints", value: [1, 0] } }),
      node("Reshape", ["columns", "flat"], "list"),
      node("Cast", ["list"], "pads", { to: integer(7) }),
      node("Pad", ["x", "pads"]),
    ],
    {
      zeros: ints(0),
      front: ints(1, 2),
      four: ints(4),
      rows: ints(-1, 2),
      last: ints(-1),
      first: ints(-99),
      back: ints(-1),
      flat: ints(-1),
    },
    ["n", 4, 9],
  ],
  "sizes for a resize": [
    [
      node("Shape", ["x"], "shape"),
      node("Slice", ["shape", "zeros", "two"], "front"),
      node("Concat", ["front", "width"], "sizes", { axis: integer(0) }),
      node("Resize", ["x", "", "", "sizes"], "y", { mode: { kind: "string", value: "linear" } }),
    ],
    { zeros: ints(0), two: ints(2), width: ints(9) },
    ["n", 4, 9],
  ],
}

describe("sizes that the graph computes", () => {
  test.each(Object.entries(computed))("%s", async (_, [nodes, constants, shape]) => {
    const graph = foreignGraph(nodes, constants)
    const resolved = resolveShapes(graph)
    expect(resolved.types.get("y")).toEqual({ dtype: "float32", shape })
    const feeds = { x: noise([2, 4, 6], 1) }
    const [before, after] = [await runGraph(graph, feeds), await runGraph(resolved, feeds)]
    expect(after).toEqual(before)
    await expectGradient(graph)
  })
})

test("sizes that can't be told are left to be computed", () => {
  const nodes = [
    node("Shape", ["x"], "shape"),
    node("Gather", ["shape", "where"], "chosen", { axis: integer(0) }),
    node("Mul", ["chosen", "chosen"], "square"),
    node("Reshape", ["x", "square"]),
  ]
  const graph = foreignGraph(nodes, { where: ints(0) })
  expect(resolveShapes(graph).nodes).toEqual(graph.nodes)
  expect(resolveShapes(graph).types.has("y")).toBe(false)
})

test("operators named like methods of objects are unknown ones", () => {
  const graph = foreignGraph([node("constructor", ["x"]), node("toString", ["x", "y"], "z")])
  expect(resolveShapes(graph).nodes).toEqual(graph.nodes)
})

test("what follows from the operators counts more than what is declared", () => {
  const graph = foreignGraph([node("Exp", ["x"])])
  const wrong = { dtype: "float32", shape: [0, 0] } as const
  const types = new Map([...graph.types, ["y", wrong] as const])
  expect(resolveShapes({ ...graph, types }).types.get("y")).toEqual({ dtype: "float32", shape: ["n", 4, 6] })
})

const axes = (...value: number[]) => ({ axes: { kind: "ints", value } }) as const

const older: Readonly<Record<string, readonly ForeignNode[]>> = {
  "axes as an attribute": [node("ReduceMax", ["x"], "y", axes(1, 2))],
  "a reduction of everything": [node("ReduceMean", ["x"])],
  "another reduction, off the path": [node("ReduceL2", ["x"], "l2", axes(1)), node("Exp", ["x"], "y")],
  "equal pieces": [
    { op: "Split", inputs: ["x"], outputs: ["a", "b"], attributes: { axis: integer(2) } },
    node("Mul", ["a", "b"]),
  ],
}

describe("opset 13", () => {
  test.each(Object.entries(older))("%s", async (_, nodes) => {
    const graph = foreignGraph(nodes, {}, { opset: 13 })
    const raised = raiseOpset(graph)
    expect(raised.opset).toBe(18)
    const feeds = { x: noise([2, 4, 6], 1) }
    expect(await runModel(await modelOf(raised), feeds)).toEqual(await runGraph(graph, feeds))
    await expectGradient(graph, 0.002)
  })

  test("what has changed since and can't be rewritten is refused", () => {
    const graph = foreignGraph([node("RoiAlign", ["x", "x", "x"])], {}, { opset: 13 })
    expect(() => raiseOpset(graph)).toThrow(
      expect.objectContaining({ code: "GRAPH_STRUCTURE", message: expect.stringContaining("RoiAlign") }),
    )
    expect(raiseOpset({ ...graph, opset: 18 }).nodes).toEqual(graph.nodes)
  })
})

async function expectGradient(graph: Graph, step?: number): Promise<void> {
  await using session = await vjpSession(graph, ["x"])
  for (const one of await compareWithDifferences(session, ["x"], { x: noise([2, 4, 6], 1) }, 2, step)) {
    expect(Math.abs(one.gradient - one.differences)).toBeLessThan(5e-4 * one.scale)
  }
}
