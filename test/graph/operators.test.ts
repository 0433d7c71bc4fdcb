import { describe, expect, test } from "vitest"
import type { GraphBuilder, Value } from "../../src/graph/builder.ts"
import { conv, convTranspose } from "../../src/graph/ops/convolution.ts"
import {
  cos,
  elu,
  erf,
  exp,
  log,
  neg,
  pow,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  tanh,
} from "../../src/graph/ops/elementwise.ts"
import { operators } from "../../src/graph/ops/index.ts"
import { linear, matmul } from "../../src/graph/ops/matmul.ts"
import { affineNormalization, instanceNormalization } from "../../src/graph/ops/normalization.ts"
import { averagePool } from "../../src/graph/ops/pooling.ts"
import { reduceMean, reduceSum, reduceSumSquare, softmax } from "../../src/graph/ops/reduction.ts"
import { nearestUpsample } from "../../src/graph/ops/resize.ts"
import {
  cast,
  concat,
  expand,
  gather,
  pad,
  reshape,
  slice,
  split,
  transpose,
} from "../../src/graph/ops/shape.ts"
import type { Attribute, Attributes, Dim, Graph } from "../../src/graph/types.ts"
import type { DType, Tensor } from "../../src/tensor.ts"
import { elementCount } from "../../src/tensor.ts"
import { graphOf, irregular, runGraph } from "./run-graph.ts"

// What every operator's rule says about its outputs, against what ONNX Runtime computes for batches of 1 and 3.

type Inputs = readonly (readonly [dtype: DType, shape: readonly Dim[]])[]
type Define = (values: readonly Value[], g: GraphBuilder) => Value | readonly Value[]

interface Case {
  readonly inputs: Inputs
  readonly define: Define
}

const picture: Inputs = [["float32", ["batch", 6, 7, 9]]]
const matrix: Inputs = [["float32", ["batch", 6]]]

function of(inputs: Inputs, define: Define): Case {
  return { inputs, define }
}

function int(value: number): Attribute {
  return { kind: "int", value }
}

function ints(...value: number[]): Attribute {
  return { kind: "ints", value }
}

function apply(op: string, attributes: Attributes = {}, outputs = 1): Define {
  return values => values[0]!.builder.apply(op, values, attributes, outputs)
}

function weight(g: GraphBuilder, shape: readonly number[]): Value {
  return g.constant("float32", shape, irregular(shape).data)
}

function unary(define: (x: Value) => Value): readonly Case[] {
  return [of(picture, ([x]) => define(x!)), of(matrix, ([x]) => define(x!))]
}

function broadcasting(op: string, dtype: DType = "float32"): readonly Case[] {
  return [
    [
      ["batch", 3, 4],
      ["batch", 1, 4],
    ],
    [["batch", 3, 1], [5]],
    [
      [3, 1],
      ["batch", 1, 4],
    ],
    [["batch", 2], []],
  ].map(shapes =>
    of(
      shapes.map(shape => [dtype, shape as Dim[]] as const),
      apply(op),
    ),
  )
}

function reductions(op: string): readonly Case[] {
  return [[1], [2, 3], [-1], [0, 1, 2, 3]].flatMap(axes =>
    [0, 1].map(keepdims =>
      of(picture, ([x], g) => g.apply(op, [x, g.ints(axes)], { keepdims: int(keepdims) })),
    ),
  )
}

function pools(op: string): readonly Case[] {
  return [
    apply(op, { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
    apply(op, { kernel_shape: ints(3, 2), strides: ints(2, 3), pads: ints(1, 0, 1, 1) }),
    apply(op, { kernel_shape: ints(3, 3) }),
  ].map(define => of(picture, define))
}

const cases: Readonly<Record<string, readonly Case[]>> = {
  Abs: unary(x => x.builder.apply("Abs", [x])[0]!),
  Add: broadcasting("Add"),
  And: broadcasting("And", "bool"),
  AveragePool: [of(picture, ([x]) => averagePool(x!, 3)), ...pools("AveragePool")],
  BatchNormalization: [
    of(picture, ([x], g) => {
      const [scale, bias, mean, variance] = [0, 1, 2, 3].map(() => weight(g, [6])) as [
        Value,
        Value,
        Value,
        Value,
      ]
      return affineNormalization(x!, { scale, bias, mean, variance }, 1e-5)
    }),
  ],
  Cast: (["float16", "float64", "int64", "int32", "bool", "uint8"] as const).map(dtype =>
    of(matrix, ([x]) => cast(x!, dtype)),
  ),
  Ceil: unary(x => x.builder.apply("Ceil", [x])[0]!),
  Clip: [of(picture, ([x], g) => g.apply("Clip", [x, g.scalar(0.3), g.scalar(0.4)]))],
  Concat: [
    of(
      [
        ["float32", ["batch", 2, 3]],
        ["float32", ["batch", 4, 3]],
      ],
      ([a, b]) => concat([a!, b!], 1),
    ),
    of(
      [
        ["float32", ["batch", 2]],
        ["float32", ["batch", 3]],
        ["float32", ["batch", 1]],
      ],
      ([a, b, c]) => concat([a!, b!, c!], -1),
    ),
  ],
  Conv: [
    of(picture, ([x], g) => conv(x!, weight(g, [4, 6, 3, 3]), weight(g, [4]), { padding: 1 })),
    of(picture, ([x], g) => conv(x!, weight(g, [6, 1, 4, 2]), undefined, { stride: 2, groups: 6 })),
    of(picture, ([x], g) =>
      conv(x!, weight(g, [2, 6, 2, 3]), undefined, { dilation: 2, padding: [0, 1, 2, 3] }),
    ),
    of(picture, ([x], g) => conv(x!, weight(g, [4, 3, 1, 1]), undefined, { stride: 3, groups: 2 })),
  ],
  ConvTranspose: [
    of(picture, ([x], g) => convTranspose(x!, weight(g, [6, 5, 3, 3]), weight(g, [5]))),
    of(picture, ([x], g) =>
      convTranspose(x!, weight(g, [6, 1, 4, 4]), undefined, { stride: 2, padding: 1, groups: 6 }),
    ),
    of(picture, ([x], g) =>
      g.apply("ConvTranspose", [x, weight(g, [6, 2, 3, 2])], {
        strides: ints(3, 2),
        output_padding: ints(1, 0),
        pads: ints(1, 0, 0, 1),
        dilations: ints(2, 1),
      }),
    ),
  ],
  Cos: unary(cos),
  Div: broadcasting("Div"),
  Elu: unary(elu),
  Equal: [...broadcasting("Equal"), ...broadcasting("Equal", "int64")],
  Erf: unary(erf),
  Exp: unary(exp),
  Expand: [
    of([["float32", ["batch", 1, 3]]], ([x]) => expand(x!, [1, 4, 3])),
    of([["float32", ["batch", 1]]], ([x]) => expand(x!, [2, 1, 5])),
    of([["float32", [2, 3]]], ([x]) => expand(x!, [3])),
  ],
  Floor: unary(x => x.builder.apply("Floor", [x])[0]!),
  Gather: [
    of([["int64", ["batch"]]], ([i], g) => gather(weight(g, [2, 4]), i!)),
    of([["int32", ["batch", 3]]], ([i], g) => gather(weight(g, [4, 2, 5]), i!, 1)),
    of([["int64", []]], ([i], g) => gather(weight(g, [3, 4]), i!, -1)),
  ],
  Gemm: [
    of(matrix, ([x], g) => linear(x!, weight(g, [4, 6]), weight(g, [4]))),
    of(matrix, ([x], g) => linear(x!, weight(g, [4, 6]))),
    of([["float32", [6, "batch"]]], ([x], g) =>
      g.apply("Gemm", [x, weight(g, [6, 5]), weight(g, [1])], { transA: int(1) }),
    ),
  ],
  Greater: broadcasting("Greater"),
  GreaterOrEqual: broadcasting("GreaterOrEqual"),
  Identity: unary(x => x.builder.apply("Identity", [x])[0]!),
  InstanceNormalization: [
    of(picture, ([x], g) => instanceNormalization(x!, weight(g, [6]), weight(g, [6]), 1e-5)),
    of([["float32", ["batch", 4, 10]]], ([x], g) =>
      instanceNormalization(x!, weight(g, [4]), weight(g, [4]), 1e-5),
    ),
  ],
  LeakyRelu: unary(x => x.builder.apply("LeakyRelu", [x])[0]!),
  Less: broadcasting("Less"),
  LessOrEqual: broadcasting("LessOrEqual"),
  Log: unary(log),
  MatMul: [
    of(
      [
        ["float32", ["batch", 2, 3]],
        ["float32", ["batch", 3, 5]],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of(
      [
        ["float32", ["batch", 1, 2, 3]],
        ["float32", [4, 3, 5]],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of(
      [
        ["float32", ["batch", 3]],
        ["float32", [3, 5]],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
  ],
  Max: [
    ...broadcasting("Max"),
    of(
      [
        ["float32", ["batch", 1]],
        ["float32", [1, 3]],
        ["float32", [1]],
      ],
      apply("Max"),
    ),
  ],
  MaxPool: pools("MaxPool"),
  Min: broadcasting("Min"),
  Mul: broadcasting("Mul"),
  Neg: unary(neg),
  Not: [of([["bool", ["batch", 2]]], apply("Not"))],
  Or: broadcasting("Or", "bool"),
  Pad: [
    of(picture, ([x]) => pad(x!, [0, 1, 2, 0], [0, 0, 3, 1])),
    of(matrix, ([x]) => pad(x!, [0, -2], [0, 1])),
    of(picture, ([x], g) => g.apply("Pad", [x, g.ints([1, 2, 3, 4]), undefined, g.ints([-1, 1])])),
  ],
  Pow: [...broadcasting("Pow"), of(picture, ([x]) => pow(2, x!))],
  Reciprocal: unary(x => x.builder.apply("Reciprocal", [x])[0]!),
  ReduceMax: reductions("ReduceMax"),
  ReduceMean: [
    ...reductions("ReduceMean"),
    of(picture, ([x]) => reduceMean(x!, [2, 3])),
    of(picture, apply("ReduceMean")),
    of(picture, apply("ReduceMean", { keepdims: int(0) })),
    of(picture, apply("ReduceMean", { noop_with_empty_axes: int(1) })),
  ],
  ReduceMin: reductions("ReduceMin"),
  ReduceSum: [...reductions("ReduceSum"), of(picture, ([x]) => reduceSum(x!, [1], { keepDims: false }))],
  ReduceSumSquare: [
    ...reductions("ReduceSumSquare"),
    of(picture, ([x]) => reduceSumSquare(x!, [2, 3], { keepDims: false })),
  ],
  Relu: unary(relu),
  Reshape: [
    of(picture, ([x]) => reshape(x!, ["batch", 2, -1])),
    of(picture, ([x]) => reshape(x!, [-1, 9])),
    of(picture, ([x]) => reshape(x!, [1, -1, 7, 9])),
    of(picture, ([x]) => reshape(reshape(x!, [1, -1, 7, 9]), ["batch", 6, 63])),
    of(picture, ([x]) => reshape(reshape(x!, [-1]), [-1, 6, 63])),
    of([["float32", ["batch"]]], ([x]) => reshape(x!, ["batch", 1, 1, 1])),
    of(picture, ([x]) => reshape(x!, [6, "batch", 63])),
    of([["float32", [3, 0]]], ([x], g) => g.apply("Reshape", [x, g.ints([0, 0, 4])], { allowzero: int(1) })),
  ],
  Resize: [
    of(picture, ([x]) => nearestUpsample(x!, 2)),
    of(picture, ([x], g) => {
      const scales = g.constant("float32", [4], Float32Array.of(1, 1, 0.5, 1.7))
      return g.apply("Resize", [x, undefined, scales], { mode: { kind: "string", value: "linear" } })
    }),
  ],
  Sigmoid: unary(sigmoid),
  Sign: unary(x => x.builder.apply("Sign", [x])[0]!),
  Sin: unary(sin),
  Slice: [
    of(picture, ([x]) => slice(x!, 1, 1, 4)),
    of(picture, ([x]) => slice(x!, -1, -4, 100)),
    of(picture, ([x], g) =>
      g.apply("Slice", [
        x,
        ...[
          [9, 5],
          [-100, 0],
          [2, 3],
          [-2, -1],
        ].map(n => g.ints(n)),
      ]),
    ),
    of([["float32", [3, 4]]], ([x], g) => g.apply("Slice", [x, g.ints([1]), g.ints([3])])),
  ],
  Softmax: [of(picture, ([x]) => softmax(x!)), of(picture, apply("Softmax", { axis: int(1) }))],
  Softplus: unary(softplus),
  Split: [
    of(picture, ([x]) => split(x!, 1, [1, 3, 2])),
    of(picture, ([x]) => split(x!, -1, [9])),
    of(picture, apply("Split", { axis: int(2), num_outputs: int(3) }, 3)),
  ],
  Sqrt: unary(sqrt),
  Squeeze: [
    of([["float32", ["batch", 1, 3, 1]]], ([x], g) => g.apply("Squeeze", [x, g.ints([1, -1])])),
    of([["float32", ["batch", 1, 3, 1]]], ([x], g) => g.apply("Squeeze", [x, g.ints([3])])),
  ],
  Sub: broadcasting("Sub"),
  Tanh: unary(tanh),
  Transpose: [of(picture, ([x]) => transpose(x!, [2, 0, 3, 1])), of(picture, apply("Transpose"))],
  Unsqueeze: [
    of(matrix, ([x], g) => g.apply("Unsqueeze", [x, g.ints([0, -1])])),
    of(matrix, ([x], g) => g.apply("Unsqueeze", [x, g.ints([1])])),
  ],
  Where: [
    of(
      [
        ["bool", ["batch", 1, 3]],
        ["float32", [4, 1]],
        ["float32", []],
      ],
      apply("Where"),
    ),
    of(
      [
        ["bool", [1]],
        ["int64", ["batch", 2]],
        ["int64", [2]],
      ],
      apply("Where"),
    ),
  ],
}

function tensorOf(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const values = irregular(shape, seed)
  const count = elementCount(shape)
  switch (dtype) {
    case "float32":
      return values
    case "int64":
      return { dtype, shape, data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 2)) }
    case "int32":
      return { dtype, shape, data: Int32Array.from({ length: count }, (_, i) => i % 2) }
    case "bool":
      return { dtype, shape, data: Uint8Array.from(values.data, value => (value > 0.5 ? 1 : 0)) }
    default:
      throw new Error(`no inputs of type ${dtype}`)
  }
}

// `batch`, `batch*6` and plain numbers, as numbers.
function sizesFor(shape: readonly Dim[], batch: number): number[] {
  return shape.map(size => {
    if (typeof size === "number") return size
    const [symbol, times = "1"] = size.split("*")
    expect(symbol).toBe("batch")
    return batch * Number(times)
  })
}

async function checkAgainstRuntime(graph: Graph, batch: number): Promise<void> {
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }, i) => [name, tensorOf(dtype, sizesFor(shape, batch), i + 1)]),
  )
  const outputs = await runGraph(graph, feeds)
  for (const { name, dtype, shape } of graph.outputs) {
    expect(outputs[name]!.dtype).toBe(dtype)
    expect(outputs[name]!.shape).toEqual(sizesFor(shape, batch))
  }
}

test("there is a case for every operator", () => {
  expect(Object.keys(cases).sort()).toEqual([...operators.keys()].sort())
})

describe.each(Object.entries(cases))("%s", (op, list) => {
  test.each(list.map((one, i) => [i + 1, one] as const))(
    "has the type that its rule says: case %i",
    async (_, one) => {
      const graph = graphOf(one.inputs, one.define)
      expect(graph.nodes.map(node => node.op)).toContain(op)
      const symbolic = graph.inputs.some(({ shape }) => shape.includes("batch"))
      for (const batch of symbolic ? [1, 3] : [1]) await checkAgainstRuntime(graph, batch)
    },
  )
})

describe("refuses", () => {
  const refusals: readonly (readonly [problem: string, inputs: Inputs, define: Define])[] = [
    [
      "sizes that don't broadcast",
      [
        ["float32", ["batch", 3]],
        ["float32", ["batch", 4]],
      ],
      apply("Add"),
    ],
    [
      "element types that differ",
      [
        ["float32", [3]],
        ["int64", [3]],
      ],
      apply("Mul"),
    ],
    [
      "logic on numbers",
      [
        ["float32", [3]],
        ["float32", [3]],
      ],
      apply("And"),
    ],
    ["negation of numbers", [["float32", [3]]], apply("Not")],
    [
      "a condition of numbers",
      [
        ["float32", [3]],
        ["float32", [3]],
        ["float32", [3]],
      ],
      apply("Where"),
    ],
    ["a missing operand", [["float32", [3]]], ([x], g) => g.apply("Add", [x, undefined])],
    ["nothing to join", [["float32", [3]]], (_, g) => g.apply("Concat", [], { axis: int(0) })],
    [
      "pieces of different rank",
      [
        ["float32", [3]],
        ["float32", [3, 1]],
      ],
      ([a, b]) => concat([a!, b!], 0),
    ],
    ["joined batches", [["float32", ["batch"]]], ([x]) => concat([x!, x!], 0)],
    ["an axis that isn't there", matrix, ([x]) => concat([x!, x!], 2)],
    ["an axis that is named twice", picture, ([x]) => reduceSum(x!, [1, -3])],
    ["other elements in a reshape", picture, ([x]) => reshape(x!, ["batch", 6, 7, 8])],
    ["a reshape that leaves two sizes open", picture, ([x]) => reshape(x!, [-1, -1])],
    ["a reshape to negative sizes", matrix, ([x]) => reshape(x!, ["batch", -6])],
    ["a reshape that isn't constant", [...matrix, ["int64", [2]]], apply("Reshape")],
    ["an order that isn't one", matrix, ([x]) => transpose(x!, [0, 0])],
    ["an order beyond the rank", matrix, ([x]) => transpose(x!, [0, 2])],
    ["a step of 0", matrix, ([x], g) => g.apply("Slice", [x, ...[[0], [6], [1], [0]].map(n => g.ints(n))])],
    ["a slice of the batch", matrix, ([x]) => slice(x!, 0, 0, 1)],
    ["pieces that don't add up", matrix, ([x]) => split(x!, 1, [2, 2])],
    ["a negative piece", matrix, ([x]) => split(x!, 1, [7, -1])],
    ["more outputs than pieces", matrix, ([x], g) => g.apply("Split", [x, g.ints([6])], { axis: int(1) }, 2)],
    ["an expansion of 3 to 4", [["float32", [3]]], ([x]) => expand(x!, [4])],
    ["fractional indices", [["float32", ["batch"]]], ([i], g) => gather(weight(g, [2, 2]), i!)],
    ["too few pads", picture, ([x]) => pad(x!, [1, 1], [1, 1])],
    ["pads of the batch", matrix, ([x]) => pad(x!, [1, 0], [0, 0])],
    ["pads that take more than there is", matrix, ([x]) => pad(x!, [0, -4], [0, -4])],
    ["an element type that nothing can hold", matrix, apply("Cast", { to: int(8) })],
    ["a dropped size of 2", [["float32", [2]]], ([x], g) => g.apply("Squeeze", [x, g.ints([0])])],
    ["a size that is added twice", matrix, ([x], g) => g.apply("Unsqueeze", [x, g.ints([1, 1])])],
    [
      "inner sizes that differ",
      [
        ["float32", [2, 3]],
        ["float32", [2, 3]],
      ],
      ([a, b]) => matmul(a!, b!),
    ],
    [
      "a product of vectors",
      [
        ["float32", [3]],
        ["float32", [3]],
      ],
      ([a, b]) => matmul(a!, b!),
    ],
    [
      "a bias that is larger than the product",
      [["float32", [1, 3]]],
      ([x], g) => linear(x!, weight(g, [2, 3]), weight(g, [4, 2])),
    ],
    ["inner sizes of a Gemm that differ", matrix, ([x], g) => linear(x!, weight(g, [2, 5]))],
    ["a convolution of other channels", picture, ([x], g) => conv(x!, weight(g, [4, 5, 3, 3]))],
    [
      "groups that don't divide",
      picture,
      ([x], g) => conv(x!, weight(g, [4, 2, 1, 1]), undefined, { groups: 3 }),
    ],
    ["no groups", picture, ([x], g) => conv(x!, weight(g, [4, 6, 1, 1]), undefined, { groups: 0 })],
    ["a bias of other length", picture, ([x], g) => conv(x!, weight(g, [4, 6, 1, 1]), weight(g, [5]))],
    ["a window larger than the picture", picture, ([x], g) => conv(x!, weight(g, [4, 6, 8, 3]))],
    ["an empty window", picture, ([x], g) => conv(x!, weight(g, [4, 6, 0, 3]))],
    ["a stride of 0", picture, ([x], g) => conv(x!, weight(g, [4, 6, 1, 1]), undefined, { stride: 0 })],
    [
      "automatic padding",
      picture,
      ([x], g) =>
        g.apply("Conv", [x, weight(g, [4, 6, 3, 3])], { auto_pad: { kind: "string", value: "SAME_UPPER" } }),
    ],
    [
      "a kernel_shape that differs from the weight",
      picture,
      ([x], g) => g.apply("Conv", [x, weight(g, [4, 6, 3, 3])], { kernel_shape: ints(1, 1) }),
    ],
    ["a symbolic height", [["float32", [1, 6, "height", 9]]], ([x], g) => conv(x!, weight(g, [4, 6, 3, 3]))],
    [
      "a transposed convolution of other channels",
      picture,
      ([x], g) => convTranspose(x!, weight(g, [5, 4, 3, 3])),
    ],
    [
      "an output_shape",
      picture,
      ([x], g) => g.apply("ConvTranspose", [x, weight(g, [6, 4, 3, 3])], { output_shape: ints(9, 9) }),
    ],
    [
      "padding that leaves nothing",
      picture,
      ([x], g) => convTranspose(x!, weight(g, [6, 4, 1, 1]), undefined, { padding: 4 }),
    ],
    ["a pool without a window", picture, apply("MaxPool")],
    ["a pool that rounds up", picture, apply("MaxPool", { kernel_shape: ints(2, 2), ceil_mode: int(1) })],
    [
      "a resize to sizes",
      picture,
      ([x], g) => g.apply("Resize", [x, undefined, undefined, g.ints([1, 6, 14, 18])]),
    ],
    [
      "a resize of the batch",
      picture,
      ([x], g) => g.apply("Resize", [x, undefined, g.constant("float32", [4], Float32Array.of(2, 1, 1, 1))]),
    ],
    [
      "a norm of other channels",
      picture,
      ([x], g) => instanceNormalization(x!, weight(g, [5]), weight(g, [6]), 1e-5),
    ],
    [
      "a norm of vectors",
      matrix,
      ([x], g) => instanceNormalization(x!, weight(g, [6]), weight(g, [6]), 1e-5),
    ],
  ]

  test.each(refusals)("%s", (_, inputs, define) => {
    expect(() => graphOf(inputs, define)).toThrow(expect.objectContaining({ code: "GRAPH_SHAPE" }))
  })
})
