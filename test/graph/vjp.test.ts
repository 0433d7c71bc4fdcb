import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { GraphBuilder, type Value } from "../../src/graph/builder.ts"
import { decodeGraph } from "../../src/graph/decode.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import { conv } from "../../src/graph/ops/convolution.ts"
import { exp, mul, sin } from "../../src/graph/ops/elementwise.ts"
import { affineNormalization } from "../../src/graph/ops/normalization.ts"
import { reduceSum } from "../../src/graph/ops/reduction.ts"
import { concat, gather, slice } from "../../src/graph/ops/shape.ts"
import type { Attributes, Graph, Node } from "../../src/graph/types.ts"
import { type VjpOptions, vjp } from "../../src/graph/vjp/vjp.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { configOf, loadFixture } from "../models/unet2d-fixtures.ts"
import { compareWithDifferences, noise, vjpSession } from "./finite-differences.ts"
import { graphOf, runGraph, runModel, weightsFrom } from "./run-graph.ts"

const vector = [["float32", ["batch", 3]]] as const

function floats(shape: readonly number[], ...values: number[]): Tensor<"float32"> {
  return tensor("float32", shape, Float32Array.from(values))
}

function names(values: readonly { readonly name: string }[]): readonly string[] {
  return values.map(({ name }) => name)
}

describe("inputs and outputs", () => {
  const graph = graphOf([...vector, ["float32", ["batch", 3]]], ([a, b]) => [mul(a!, b!), exp(a!)])

  test("cotangents join the inputs and gradients the outputs, in the types of what they belong to", () => {
    const { inputs, outputs } = vjp(graph, ["y0", "y1"], ["x1", "x0"])
    const type = { dtype: "float32", shape: ["batch", 3] }
    expect(inputs).toEqual(["x0", "x1", "y0_cotangent", "y1_cotangent"].map(name => ({ name, ...type })))
    expect(outputs).toEqual(["y0", "y1", "x1_grad", "x0_grad"].map(name => ({ name, ...type })))
  })

  test("other names, and no outputs but gradients", () => {
    const options: VjpOptions = {
      keepOutputs: false,
      cotangentName: output => `v_${output}`,
      gradientName: input => `d_${input}`,
    }
    const { inputs, outputs, nodes } = vjp(graph, ["y0"], ["x0"], options)
    expect(names(inputs)).toEqual(["x0", "x1", "v_y0"])
    expect(names(outputs)).toEqual(["d_x0"])
    expect(nodes.map(node => node.op)).toEqual(["Mul"])
  })

  test("a name that is given twice counts once", () => {
    const { inputs, outputs } = vjp(graph, ["y0", "y0"], ["x0", "x0"])
    expect(names(inputs)).toEqual(["x0", "x1", "y0_cotangent"])
    expect(names(outputs)).toEqual(["y0", "y1", "x0_grad"])
  })

  test("gradients of several outputs add up", async () => {
    const feeds = {
      x0: floats([1, 3], 1, 2, 3),
      x1: floats([1, 3], 4, 5, 6),
      y0_cotangent: floats([1, 3], 1, 1, 2),
      y1_cotangent: floats([1, 3], 0, 1, 0),
    }
    const { x0_grad, x1_grad } = await runGraph(vjp(graph, ["y0", "y1"], ["x0", "x1"]), feeds)
    expect(Array.from(x0_grad!.data as Float32Array)).toEqual([4, expect.closeTo(5 + Math.exp(2), 5), 12])
    expect(Array.from(x1_grad!.data as Float32Array)).toEqual([1, 2, 6])
  })

  test("an input that nothing depends on has a gradient of zeros, whatever it holds", async () => {
    const fixed = graphOf([...vector, ["float32", ["batch", 2]], ["float32", [2, 2]]], ([a]) => exp(a!))
    const feeds = {
      x0: floats([2, 3], 0, 0, 0, 0, 0, 0),
      x1: floats([2, 2], Number.NaN, Number.POSITIVE_INFINITY, 1, 0),
      x2: floats([2, 2], 1, 2, 3, 4),
      y0_cotangent: floats([2, 3], 1, 1, 1, 1, 1, 1),
    }
    const { x1_grad, x2_grad } = await runGraph(vjp(fixed, ["y0"], ["x1", "x2"]), feeds)
    expect(x1_grad).toEqual(floats([2, 2], 0, 0, 0, 0))
    expect(x2_grad).toEqual(floats([2, 2], 0, 0, 0, 0))
  })

  test("a gradient that is the cotangent itself", async () => {
    const same = graphOf(vector, ([x], g) => g.apply("Identity", [x]))
    const v = floats([1, 3], 1, 2, 3)
    const { x0_grad } = await runGraph(vjp(same, ["y0"], ["x0"]), { x0: v, y0_cotangent: v })
    expect(x0_grad).toEqual(v)
  })

  test("gradients by weights and constants, which stay what they are", async () => {
    const g = new GraphBuilder("test")
    const x = g.input("x", "float32", ["batch", 2])
    const scale = g.parameter("scale", [2])
    const shift = g.constant("float32", [2], Float32Array.of(1, 2))
    const graph = g.build({ y: g.apply("Add", [mul(x, scale), shift])[0]! })
    const weights = weightsFrom({ scale: [3, 4] })
    const result = vjp(graph, ["y"], ["scale", shift.name])
    expect(result.initializers.get("scale")?.kind).toBe("parameter")
    const feeds = { x: floats([2, 2], 1, 2, 3, 4), y_cotangent: floats([2, 2], 1, 1, 1, 10) }
    const outputs = await runGraph(result, feeds, weights)
    expect(outputs.scale_grad).toEqual(floats([2], 4, 42))
    expect(outputs[`${shift.name}_grad`]).toEqual(floats([2], 2, 11))
  })
})

test("a gradient can be differentiated again", async () => {
  // f = Σ sin(x)·v, so that the derivative of its gradient along w is −sin(x)·v·w.
  const graph = graphOf(vector, ([x]) => sin(x!))
  const first = vjp(graph, ["y0"], ["x0"])
  const second = vjp(first, ["x0_grad"], ["x0"], { gradientName: name => `${name}_hessian` })
  const [x, v, w] = [floats([1, 3], 0.1, 0.2, 0.3), floats([1, 3], 1, 2, 3), floats([1, 3], 1, -1, 0.5)]
  const outputs = await runGraph(second, { x0: x, y0_cotangent: v, x0_grad_cotangent: w })
  const expected = [...x.data].map((value, i) => -Math.sin(value) * v.data[i]! * w.data[i]!)
  expect(Array.from(outputs.x0_hessian!.data as Float32Array)).toEqual(
    expected.map(n => expect.closeTo(n, 6)),
  )
})

test("what has no rule does no harm where no cotangent passes", async () => {
  const graph = graphOf(vector, ([x]) => exp(x!))
  const rounded: Node = { op: "Round", domain: "", scope: "", inputs: ["x0"], outputs: ["r"], attributes: {} }
  const type = { dtype: "float32", shape: ["batch", 3] } as const
  const foreign: Graph = {
    ...graph,
    nodes: [...graph.nodes, rounded],
    outputs: [...graph.outputs, { name: "r", ...type }],
  }
  const x = floats([1, 3], 0, 0, 0)
  const { x0_grad, r } = await runGraph(vjp(foreign, ["y0"], ["x0"]), { x0: x, y0_cotangent: x })
  expect([x0_grad, r]).toEqual([x, x])
})

test("the backward pass of a network keeps to what all backends compute right", () => {
  const { config } = loadFixture("golden").models.ncsnpp_tiny_128ch!
  const network = unet2dGraph(configOf(config), [16, 16])
  const weights = [...network.initializers.values()].flatMap(({ kind, name }) =>
    kind === "parameter" ? name : [],
  )
  const { nodes, types } = vjp(network, ["out_sample"], ["sample", ...weights])
  for (const { op, scope, inputs, outputs, attributes } of nodes) {
    if (op === "Conv" || op === "ConvTranspose") {
      const explicit = ["dilations", "group", "kernel_shape", "pads", "strides"]
      expect(Object.keys(attributes), scope).toEqual(expect.arrayContaining(explicit))
      const groups = attributes.group?.value
      if (groups !== 1) expect(types.get(inputs[1]!)?.shape.slice(0, 2), scope).toEqual([groups, 1])
    }
    if (op === "Concat") expect(inputs.length, scope).toBeLessThanOrEqual(8)
    if (op === "Split") expect(outputs.length, scope).toBeLessThanOrEqual(8)
  }
})

describe("foreign graphs", () => {
  test.each(["torchscript", "dynamo"])("as PyTorch's exporter %s writes them", async name => {
    const folder = new URL("../fixtures/vjp/", import.meta.url)
    const { shape, x, gradient } = JSON.parse(readFileSync(new URL("exported.json", folder), "utf8")) as {
      readonly shape: readonly number[]
      readonly x: readonly number[]
      readonly gradient: readonly number[]
    }
    const graph = vjp(decodeGraph(readFileSync(new URL(`${name}.onnx`, folder))), ["y"], ["x"])
    const bytes = encodeWithExternalData(graph, "none", { places: [], totalBytes: 0 })
    const feeds = {
      x: floats(shape, ...x),
      y_cotangent: floats(shape, ...x.map((_, j) => Math.sin(0.11 * j))),
    }
    const outputs = await runModel({ bytes }, feeds)
    expect(Array.from(outputs.x_grad!.data as Float32Array)).toEqual(gradient.map(n => expect.closeTo(n, 5)))
  })

  test.each([
    ["opset-13", "y"],
    ["constants", "y"],
  ])("%s", async (name, output) => {
    const graph = foreign(name)
    const alone = { ...graph, outputs: graph.outputs.filter(value => value.name === output) }
    await using session = await vjpSession(alone, ["x"])
    for (const one of await compareWithDifferences(session, ["x"], { x: noise([2, 3], 1) }, 2)) {
      expect(Math.abs(one.gradient - one.differences)).toBeLessThan(2e-4 * one.scale)
    }
  })
})

describe("refuses", () => {
  const graph = graphOf([...vector, ["int64", ["batch"]]], ([x, i], g) => [
    mul(x!, x!),
    gather(g.constant("float32", [2], Float32Array.of(1, 2)), i!),
    i!,
  ])
  const structure: readonly (readonly [string, Graph, readonly string[], readonly string[], string])[] = [
    ["an output that isn't there", graph, ["y9"], ["x0"], '"y9" is no output of the graph'],
    ["an input that isn't there", graph, ["y0"], ["x9"], '"x9" is no input or weight'],
    ["a value inside the graph as an input", graph, ["y0"], ["y1"], '"y1" is no input or weight'],
    ["an integer input", graph, ["y0"], ["x1"], "int64[batch]; only floats"],
    ["an integer output", graph, ["y2"], ["x0"], "int64[batch]; only floats"],
    ["a name that is taken", vjp(graph, ["y0"], ["x0"]), ["y1"], ["x0"], 'a value "x0_grad" already'],
    ["an opset that is too new", { ...graph, opset: 22 }, ["y0"], ["x0"], "opset 22"],
    ["an opset that is too old", { ...graph, opset: 12 }, ["y0"], ["x0"], "opset 12"],
  ]
  test.each(structure)("%s", (_, one, outputs, inputs, message) => {
    expectError(() => vjp(one, outputs, inputs), "GRAPH_STRUCTURE", message)
  })

  test.each([
    ["custom-domain", "com.microsoft:Gelu in Gelu_of_activated"],
    ["if-subgraph", "If in If_of_chosen"],
    ["odd-attributes", "odd:Odd in Odd_of_y"],
  ])("what has no rule, by name: %s", (name, named) => {
    expectError(() => vjp(foreign(name), ["y"], ["x"]), "GRAPH_UNKNOWN_OPERATOR", named)
  })

  test("a known type behind an operator without a rule changes nothing", () => {
    const graph = foreign("custom-domain")
    const types = new Map([...graph.types, ["activated", { dtype: "float32", shape: ["N", 3] }] as const])
    expectError(() => vjp({ ...graph, types }, ["y"], ["x"]), "GRAPH_UNKNOWN_OPERATOR", "com.microsoft:Gelu")
  })

  const picture = ["float32", ["batch", 4, 6, 6]] as const
  const kernel = { kernel_shape: { kind: "ints", value: [3, 3] } } as const
  const text = (value: string) => ({ kind: "string", value }) as const
  const forms: readonly (readonly [string, (x: Value, g: GraphBuilder) => Value, string])[] = [
    [
      "statistics of a batch",
      (x, g) => {
        const v = g.constant("float32", [4], Float32Array.of(1, 1, 1, 1))
        return affineNormalization(x, { scale: v, bias: v, mean: v, variance: v }, 1e-5)
      },
      "training_mode",
    ],
    [
      "cubic interpolation",
      (x, g) => resized(x, g, { mode: text("cubic") }),
      "only the modes nearest and linear",
    ],
    [
      "an unknown way to round",
      (x, g) => resized(x, g, { mode: text("nearest"), nearest_mode: text("up") }),
      "nearest_mode up",
    ],
    [
      "a cropping resize",
      (x, g) =>
        resized(x, g, { mode: text("linear"), coordinate_transformation_mode: text("tf_crop_and_resize") }),
      "tf_crop_and_resize",
    ],
  ]
  test.each(forms)("%s", (name, define, message) => {
    const plain = graphOf([picture], ([x], g) => define(x!, g))
    const graph = name.startsWith("statistics") ? withAttribute(plain, "training_mode", 1) : plain
    expectError(() => vjp(graph, ["y0"], ["x0"]), "GRAPH_SHAPE", message)
  })

  test("padding that is not written out", () => {
    const graph = graphOf([picture], ([x], g) =>
      conv(x!, g.constant("float32", [4, 4, 3, 3], new Float32Array(144)), undefined, { padding: 1 }),
    )
    const nodes = graph.nodes.map(node => ({
      ...node,
      attributes: { ...kernel, auto_pad: text("SAME_UPPER") },
    }))
    expectError(() => vjp({ ...graph, nodes }, ["y0"], ["x0"]), "GRAPH_SHAPE", "auto_pad")
  })

  test("the value that fills padding", () => {
    const graph = graphOf([picture, ["float32", []]], ([x, fill], g) =>
      g.apply("Pad", [x, g.ints([0, 0, 1, 1, 0, 0, 1, 1]), fill]),
    )
    expectError(() => vjp(graph, ["y0"], ["x1"]), "GRAPH_SHAPE", "fills the padding")
    expect(vjp(graph, ["y0"], ["x0"]).outputs).toHaveLength(2)
  })

  test("values of unknown type", () => {
    const graph = graphOf([picture], ([x]) => concat([slice(x!, 1, 0, 2), exp(slice(x!, 1, 2, 4))], 1))
    const inputs = graph.inputs.map(input => ({ ...input, shape: ["batch", "c", 6, 6] }))
    const types = new Map([["x0", inputs[0]!]])
    expectError(() => vjp({ ...graph, inputs, types }, ["y0"], ["x0"]), "GRAPH_SHAPE", "is not known")
  })
})

test("a scalar loss over a batch", async () => {
  const graph = graphOf(vector, ([x], g) => g.apply("ReduceMean", [reduceSum(mul(x!, x!), [1])], {}))
  const { x0_grad } = await runGraph(vjp(graph, ["y0"], ["x0"]), {
    x0: floats([2, 3], 1, 2, 3, 4, 5, 6),
    y0_cotangent: floats([1, 1], 1),
  })
  expect(x0_grad).toEqual(floats([2, 3], 1, 2, 3, 4, 5, 6))
})

function foreign(name: string): Graph {
  return decodeGraph(readFileSync(new URL(`../fixtures/graph/${name}.onnx`, import.meta.url)))
}

function resized(x: Value, g: GraphBuilder, attributes: Attributes): Value {
  const scales = g.constant("float32", [4], Float32Array.of(1, 1, 2, 2))
  return g.apply("Resize", [x, undefined, scales], attributes)[0]!
}

function withAttribute(graph: Graph, name: string, value: number): Graph {
  const changed = (node: Node): Attributes => ({ ...node.attributes, [name]: { kind: "int", value } })
  return { ...graph, nodes: graph.nodes.map(node => ({ ...node, attributes: changed(node) })) }
}

function expectError(action: () => unknown, code: string, message: string): void {
  expect(action).toThrow(
    expect.objectContaining({ name: "GraphError", code, message: expect.stringContaining(message) }),
  )
}
