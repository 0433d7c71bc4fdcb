import { describe, expect, test } from "vitest"
import type { GraphBuilder, Value } from "../../src/graph/builder.ts"
import { operators } from "../../src/graph/ops/index.ts"
import { linear, matmul } from "../../src/graph/ops/matmul.ts"
import { affineNormalization, instanceNormalization } from "../../src/graph/ops/normalization.ts"
import { averagePool } from "../../src/graph/ops/pooling.ts"
import { softmax } from "../../src/graph/ops/reduction.ts"
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
import { flat } from "../../src/graph/vjp/rule.ts"
import { gradientRules } from "../../src/graph/vjp/rules.ts"
import type { Tensor } from "../../src/tensor.ts"
import { elementCount } from "../../src/tensor.ts"
import { compareWithDifferences, noise, sizeFor, vjpSession } from "./finite-differences.ts"
import { graphOf, irregular } from "./run-graph.ts"

// Every operator's gradients by all its inputs, against finite differences, for batches of 1 and 2.

type Define = (values: readonly Value[], g: GraphBuilder) => Value | readonly Value[]

interface Case {
  /** Shapes of the inputs, all float32. */
  readonly shapes: readonly (readonly Dim[])[]
  readonly define: Define
  /** The inputs' elements; default: irregular between −1 and 1. */
  readonly fill?: (shape: readonly number[], seed: number) => Tensor<"float32">
  readonly step?: number
}

const picture: readonly Dim[] = ["batch", 4, 5, 6]
const matrix: readonly Dim[] = ["batch", 6]

function of(shapes: readonly (readonly Dim[])[], define: Define, rest: Partial<Case> = {}): Case {
  return { shapes, define, ...rest }
}

function int(value: number): Attribute {
  return { kind: "int", value }
}

function ints(...value: number[]): Attribute {
  return { kind: "ints", value }
}

function float(value: number): Attribute {
  return { kind: "float", value }
}

function text(value: string): Attribute {
  return { kind: "string", value }
}

function apply(op: string, attributes: Attributes = {}, outputs = 1): Define {
  return values => values[0]!.builder.apply(op, values, attributes, outputs)
}

// A shuffled grid: all elements at least 0.03 apart and away from 0, for operators with kinks.
function apart(shape: readonly number[], seed: number): Tensor<"float32"> {
  const order = [...noise(shape, seed).data]
    .map((value, i) => [value, i] as const)
    .sort((a, b) => a[0] - b[0])
  const data = new Float32Array(elementCount(shape))
  for (const [rank, [, i]] of order.entries())
    data[i] = 0.035 * (rank - Math.floor(data.length / 2) + 0.25 + 0.3 * seed)
  return { dtype: "float32", shape, data }
}

const kinked = { fill: apart, step: 0.003 }

function positive(shape: readonly number[], seed: number): Tensor<"float32"> {
  const values = irregular(shape, seed)
  return { ...values, data: values.data.map(value => value + 0.4) }
}

function unary(op: string, attributes: Attributes = {}, rest: Partial<Case> = {}): readonly Case[] {
  return [picture, matrix].map(shape => of([shape], apply(op, attributes), rest))
}

function broadcasting(op: string, rest: Partial<Case> = {}): readonly Case[] {
  const pairs: readonly (readonly (readonly Dim[])[])[] = [
    [picture, picture],
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
    [
      ["batch", 2],
      [1, 1],
    ],
  ]
  return pairs.map(shapes => of(shapes, apply(op), rest))
}

function reductions(op: string, rest: Partial<Case> = {}): readonly Case[] {
  const axes = [[1], [2, 3], [-1], [0], [0, 2], [0, 1, 2, 3]]
  return [
    ...axes.flatMap(list =>
      [0, 1].map(keepdims =>
        of([picture], ([x], g) => g.apply(op, [x, g.ints(list)], { keepdims: int(keepdims) }), rest),
      ),
    ),
    of([picture], apply(op), rest),
    of([picture], apply(op, { noop_with_empty_axes: int(1) }), rest),
    of([["batch"]], apply(op), rest),
    of([[3, 4]], apply(op, { keepdims: int(0) }), rest),
  ]
}

function sliced(...lists: readonly (readonly number[])[]): Define {
  return ([x], g) => g.apply("Slice", [x, ...lists.map(list => g.ints(list))])
}

function resized(scales: readonly number[], attributes: Attributes): Case {
  return of([picture], ([x], g) =>
    g.apply("Resize", [x, undefined, g.constant("float32", [4], Float32Array.from(scales))], attributes),
  )
}

const gemms = [0, 1].flatMap(transA =>
  [0, 1].map(transB => {
    const [a, b] = [transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5]]
    return of([a, b, [1, 5]], ([x, y, z], g) =>
      g.apply("Gemm", [x, y, z], {
        alpha: float(0.7),
        beta: float(1.3),
        transA: int(transA),
        transB: int(transB),
      }),
    )
  }),
)

const convolutions: readonly (readonly [weight: readonly number[], attributes: Attributes])[] = [
  [[3, 4, 3, 3], { pads: ints(1, 1, 1, 1) }],
  [[3, 4, 3, 2], { pads: ints(0, 1, 2, 0) }],
  [[2, 4, 1, 1], {}],
  [[6, 4, 3, 3], { pads: ints(1, 1, 1, 1) }],
  [[2, 4, 1, 1], { strides: ints(2, 2) }],
  [[2, 4, 2, 3], { dilations: ints(2, 1), pads: ints(1, 0, 2, 3) }],
  [[3, 4, 3, 3], { strides: ints(2, 2), pads: ints(0, 0, 1, 1) }],
  [[3, 4, 3, 3], { strides: ints(2, 3), pads: ints(1, 1, 1, 1) }],
  [[2, 4, 1, 1], { pads: ints(1, 0, 0, 2) }],
  [[4, 1, 3, 3], { pads: ints(1, 1, 1, 1), group: int(4) }],
  [[4, 1, 4, 4], { pads: ints(1, 1, 1, 1), strides: ints(2, 2), group: int(4) }],
  [[6, 2, 3, 3], { pads: ints(1, 1, 1, 1), group: int(2) }],
  [[8, 1, 2, 2], { strides: ints(2, 2), group: int(4) }],
]

const transposedConvolutions: readonly (readonly [weight: readonly number[], attributes: Attributes])[] = [
  [[4, 3, 3, 3], { pads: ints(1, 1, 1, 1) }],
  [[4, 3, 2, 2], { strides: ints(2, 2) }],
  [
    [4, 2, 3, 2],
    { strides: ints(3, 2), output_padding: ints(1, 0), pads: ints(1, 0, 0, 1), dilations: ints(2, 1) },
  ],
  [[4, 1, 4, 4], { strides: ints(2, 2), pads: ints(1, 1, 1, 1), group: int(4) }],
  [[4, 3, 3, 3], { strides: ints(2, 2), group: int(2) }],
]

function pools(op: string, rest: Partial<Case> = {}): readonly Case[] {
  const attributes: readonly Attributes[] = [
    { kernel_shape: ints(2, 2), strides: ints(2, 2) },
    { kernel_shape: ints(3, 2), strides: ints(2, 3), pads: ints(1, 0, 1, 1) },
    { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) },
    { kernel_shape: ints(1, 3), strides: ints(1, 3) },
  ]
  return attributes.map(one => of([picture], apply(op, one), rest))
}

const cases: Readonly<Record<string, readonly Case[]>> = {
  Abs: unary("Abs", {}, kinked),
  Add: broadcasting("Add"),
  AveragePool: [
    of([["batch", 2, 4, 6]], ([x]) => averagePool(x!, 2)),
    ...pools("AveragePool"),
    of(
      [picture],
      apply("AveragePool", { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), count_include_pad: int(1) }),
    ),
  ],
  BatchNormalization: [
    of(
      [picture, [4], [4], [4], [4]],
      ([x, scale, bias, mean, variance]) =>
        affineNormalization(x!, { scale: scale!, bias: bias!, mean: mean!, variance: variance! }, 1e-2),
      {
        fill: positive,
      },
    ),
    of([picture], ([x], g) => {
      const vectors = { scale: [0, 1], bias: [1, 1], mean: [2, 1], variance: [3, 1] }
      const [scale, bias, mean, variance] = Object.values(vectors).map(([seed]) =>
        g.constant("float32", [4], irregular([4], seed).data),
      ) as [Value, Value, Value, Value]
      return affineNormalization(x!, { scale, bias, mean, variance }, 1e-5)
    }),
  ],
  Cast: [of([matrix], ([x]) => cast(cast(x!, "float64"), "float32"))],
  Clip: [
    of([picture], ([x], g) => g.apply("Clip", [x, g.scalar(-0.5), g.scalar(0.41)]), kinked),
    of([picture], ([x], g) => g.apply("Clip", [x, undefined, g.scalar(0.41)]), kinked),
    of(
      [picture, [], []],
      ([x, low, high], g) => g.apply("Clip", [x, g.apply("Sub", [low, g.scalar(0.3)])[0], high]),
      kinked,
    ),
  ],
  Concat: [
    of(
      [
        ["batch", 2, 3],
        ["batch", 4, 3],
      ],
      ([a, b]) => concat([a!, b!], 1),
    ),
    of([matrix, ["batch", 2], ["batch", 1]], ([a, b, c]) => concat([a!, b!, c!], -1)),
    of([matrix], ([a]) => concat([a!, a!, a!], 1)),
    of([matrix], ([a]) => concat([a!], 1)),
  ],
  Conv: convolutions.map(([weight, attributes]) =>
    of([picture, weight, [weight[0]!]], apply("Conv", attributes)),
  ),
  ConvTranspose: transposedConvolutions.map(([weight, attributes], i) =>
    i % 2 === 0
      ? of([picture, weight], apply("ConvTranspose", attributes))
      : of(
          [picture, weight, [weight[1]! * (attributes.group ? Number(attributes.group.value) : 1)]],
          apply("ConvTranspose", attributes),
        ),
  ),
  Cos: unary("Cos"),
  Div: broadcasting("Div", { fill: positive }),
  Elu: [...unary("Elu", {}, kinked), of([matrix], apply("Elu", { alpha: float(0.5) }), kinked)],
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  Expand: [
    of([["batch", 1, 3]], ([x]) => expand(x!, [1, 4, 3])),
    of([["batch", 1]], ([x]) => expand(x!, [2, 1, 5])),
    of([[2, 3]], ([x]) => expand(x!, [3])),
    of([[]], ([x]) => expand(x!, [2, 3])),
  ],
  Gather: [
    of([[5, 4]], ([x], g) => gather(x!, g.constant("int64", [3], BigInt64Array.of(1n, 4n, 1n)))),
    of([[5, 4]], ([x], g) => gather(x!, g.constant("int32", [2, 2], Int32Array.of(0, -1, 2, 3)), 1), {}),
    of([[2, 5, 3]], ([x], g) =>
      gather(x!, g.constant("int64", [2, 2], BigInt64Array.of(0n, -1n, 2n, 4n)), 1),
    ),
    of([["batch", 3, 4]], ([x], g) => gather(x!, g.constant("int64", [], BigInt64Array.of(2n)), -1)),
    of([["batch", 3, 4]], ([x], g) => gather(x!, g.constant("int64", [2], BigInt64Array.of(2n, 1n)), 1)),
  ],
  Gemm: [
    ...gemms,
    of([matrix, [4, 6], [4]], ([x, w, b]) => linear(x!, w!, b!)),
    of([matrix, [4, 6]], ([x, w]) => linear(x!, w!)),
    of(
      [
        ["batch", 3],
        [5, 3],
        ["batch", 1],
      ],
      ([x, w, b]) => linear(x!, w!, b!),
    ),
    of([[6, "batch"], [6, 5], []], ([x, w, b], g) => g.apply("Gemm", [x, w, b], { transA: int(1) })),
  ],
  Identity: unary("Identity"),
  InstanceNormalization: [
    of([picture, [4], [4]], ([x, scale, bias]) => instanceNormalization(x!, scale!, bias!, 1e-5)),
    of([["batch", 3, 7], [3], [3]], ([x, scale, bias]) => instanceNormalization(x!, scale!, bias!, 1e-2)),
    // Without scale and bias the rule works from the output.
    of([picture], ([x], g) => {
      const [one, zero] = [Float32Array.of(1, 1, 1, 1), new Float32Array(4)].map(v =>
        g.constant("float32", [4], v),
      )
      return instanceNormalization(x!, one!, zero!, 1e-5)
    }),
    of([["batch", 2, 9]], ([x], g) => {
      const [one, zero] = [Float32Array.of(1, 1), new Float32Array(2)].map(v => g.constant("float32", [2], v))
      return instanceNormalization(g.apply("Add", [x, g.scalar(20)])[0]!, one!, zero!, 0.3)
    }),
  ],
  LeakyRelu: unary("LeakyRelu", { alpha: float(0.3) }, kinked),
  Log: unary("Log", {}, { fill: positive }),
  MatMul: [
    of(
      [
        ["batch", 2, 3],
        ["batch", 3, 5],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of(
      [
        ["batch", 1, 2, 3],
        [4, 3, 5],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of([matrix, [6, 5]], ([a, b]) => matmul(a!, b!)),
    of(
      [
        ["batch", 2, 6],
        [6, 5],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of(
      [
        [4, 2],
        ["batch", 2, 3],
      ],
      ([a, b]) => matmul(a!, b!),
    ),
    of([[3, 4]], ([a], g) => matmul(a!, g.apply("Transpose", [a])[0]!)),
  ],
  Max: [...broadcasting("Max", kinked), of([["batch", 1], [1, 3], [1]], apply("Max"), kinked)],
  MaxPool: pools("MaxPool", kinked),
  Min: broadcasting("Min", kinked),
  Mul: [
    ...broadcasting("Mul"),
    of([picture], ([x], g) => g.apply("Mul", [x, x])),
    of([picture], ([x], g) => g.apply("Mul", [x, g.apply("Sigmoid", [x])[0]])),
    of([picture], ([x], g) => g.apply("Mul", [g.apply("Sigmoid", [x])[0], x])),
    of([matrix, matrix], ([x, y], g) => g.apply("Mul", [y, g.apply("Sigmoid", [x])[0]])),
  ],
  Neg: unary("Neg"),
  Pad: [
    of([picture], ([x]) => pad(x!, [0, 1, 2, 0], [0, 0, 3, 1])),
    of([matrix], ([x]) => pad(x!, [0, -2], [0, 1])),
    of([picture], ([x], g) => g.apply("Pad", [x, g.ints([1, 2, 3, 4]), undefined, g.ints([-1, 1])])),
    of([picture], ([x], g) =>
      g.apply("Pad", [x, g.ints([0, 0, 2, 1, 0, 0, 3, 2])], { mode: text("reflect") }),
    ),
    of([picture], ([x], g) => g.apply("Pad", [x, g.ints([0, 1, 2, 0, 0, 0, 0, 3])], { mode: text("edge") })),
    of([[3, 4]], ([x], g) =>
      g.apply("Pad", [x, g.ints([2, 1]), undefined, g.ints([-1])], { mode: text("reflect") }),
    ),
  ],
  Pow: [
    ...broadcasting("Pow", { fill: positive }),
    of([picture], ([x], g) => g.apply("Pow", [x, g.scalar(2)])),
    of([picture], ([x], g) => g.apply("Pow", [x, g.scalar(3)])),
    of([picture], ([x], g) => g.apply("Pow", [x, g.scalar(0)])),
    of([picture], ([x], g) => g.apply("Pow", [x, g.scalar(-0.5)]), { fill: positive }),
  ],
  Reciprocal: unary("Reciprocal", {}, { fill: positive }),
  ReduceMax: reductions("ReduceMax", kinked),
  ReduceMean: reductions("ReduceMean"),
  ReduceMin: reductions("ReduceMin", kinked),
  ReduceSum: reductions("ReduceSum"),
  ReduceSumSquare: reductions("ReduceSumSquare"),
  Relu: unary("Relu", {}, kinked),
  Reshape: [
    of([picture], ([x]) => reshape(x!, ["batch", 2, -1])),
    of([picture], ([x]) => reshape(x!, [-1, 6])),
    of([picture], ([x]) => reshape(x!, [1, -1, 5, 6])),
    of([picture], ([x]) => reshape(reshape(x!, [1, -1, 5, 6]), ["batch", 4, 30])),
    of([["batch"]], ([x]) => reshape(x!, ["batch", 1, 1, 1])),
    of([picture], ([x]) => reshape(x!, [4, "batch", 30])),
  ],
  Resize: [
    of([picture], ([x]) => nearestUpsample(x!, 2)),
    resized([1, 1, 3, 2], { mode: text("nearest") }),
    resized([1, 1, 0.5, 1.7], { mode: text("linear") }),
    resized([1, 1, 2, 2], { mode: text("linear"), coordinate_transformation_mode: text("align_corners") }),
    resized([1, 1, 1.5, 0.6], { mode: text("nearest"), coordinate_transformation_mode: text("asymmetric") }),
    resized([1, 1, 3, 3], { mode: text("nearest"), coordinate_transformation_mode: text("asymmetric") }),
    resized([1, 1, 0.4, 2], { mode: text("nearest"), nearest_mode: text("ceil") }),
    resized([1, 1, 2, 0.5], {
      mode: text("linear"),
      coordinate_transformation_mode: text("pytorch_half_pixel"),
    }),
    resized([1, 2, 1, 1], { mode: text("nearest") }),
  ],
  Sigmoid: unary("Sigmoid"),
  Sin: unary("Sin"),
  Slice: [
    of([picture], ([x]) => slice(x!, 1, 1, 4)),
    of([picture], ([x]) => slice(x!, -1, -4, 100)),
    of([picture], sliced([5, 3], [-100, 0], [2, 3], [-2, -1])),
    of([picture], sliced([1, 0], [6, 4], [-1, 1], [2, 3])),
    of([[3, 4]], ([x], g) => g.apply("Slice", [x, g.ints([1]), g.ints([3])])),
  ],
  Softmax: [of([picture], ([x]) => softmax(x!)), of([picture], apply("Softmax", { axis: int(1) }))],
  Softplus: unary("Softplus"),
  Split: [
    of([["batch", 6]], ([x]) => split(x!, 1, [1, 3, 2])),
    of([picture], ([x]) => split(x!, -1, [6])),
    of([picture], apply("Split", { axis: int(2), num_outputs: int(3) }, 3)),
    of([["batch", 6]], ([x]) => split(x!, 1, [1, 3, 2]).slice(1, 2)),
    of([["batch", 10, 2]], ([x]) => split(x!, 1, new Array(10).fill(1))),
  ],
  Sqrt: unary("Sqrt", {}, { fill: positive }),
  Squeeze: [
    of([["batch", 1, 3, 1]], ([x], g) => g.apply("Squeeze", [x, g.ints([1, -1])])),
    of([["batch", 1, 3, 1]], ([x], g) => g.apply("Squeeze", [x, g.ints([3])])),
  ],
  Sub: broadcasting("Sub"),
  Tanh: unary("Tanh"),
  Transpose: [of([picture], ([x]) => transpose(x!, [2, 0, 3, 1])), of([picture], apply("Transpose"))],
  Unsqueeze: [
    of([matrix], ([x], g) => g.apply("Unsqueeze", [x, g.ints([0, -1])])),
    of([matrix], ([x], g) => g.apply("Unsqueeze", [x, g.ints([1])])),
  ],
  Where: [
    of(
      [["batch", 4], [4], []],
      ([x, a, b], g) => {
        const large = g.apply("Greater", [x, g.scalar(0)])[0]
        return g.apply("Where", [large, a, b])
      },
      kinked,
    ),
    of(
      [
        ["batch", 4],
        ["batch", 4],
      ],
      ([x, a], g) => {
        const large = g.apply("Greater", [x, g.scalar(0)])[0]
        return g.apply("Where", [large, a, x])
      },
      kinked,
    ),
  ],
}

const constants = [
  "And",
  "Ceil",
  "Equal",
  "Floor",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "Not",
  "Or",
  "Sign",
]

test("every operator has a rule and cases", () => {
  expect([...gradientRules.keys()].sort()).toEqual([...operators.keys()].sort())
  expect(
    [...gradientRules]
      .filter(([, rule]) => rule === flat)
      .map(([op]) => op)
      .sort(),
  ).toEqual(constants)
  expect([...Object.keys(cases), ...constants].sort()).toEqual([...operators.keys()].sort())
})

async function check(graph: Graph, { fill = noise, step }: Case): Promise<void> {
  const inputs = graph.inputs.map(input => input.name)
  await using session = await vjpSession(graph, inputs)
  const symbolic = graph.inputs.some(({ shape }) => shape.some(size => typeof size === "string"))
  for (const batch of symbolic ? [1, 2] : [1]) {
    const feeds = Object.fromEntries(
      graph.inputs.map(({ name, shape }, i) => [
        name,
        fill(
          shape.map(size => sizeFor(size, batch)),
          i,
        ),
      ]),
    )
    for (const { input, gradient, differences, scale } of await compareWithDifferences(
      session,
      inputs,
      feeds,
      batch,
      step,
    )) {
      const error = Math.abs(gradient - differences)
      expect(error, `${input}, batch ${batch}`).toBeLessThan(2e-4 * scale + 1e-6)
    }
  }
}

describe.each(Object.entries(cases))("%s", (op, list) => {
  test.each(list.map((one, i) => [i + 1, one] as const))(
    "agrees with finite differences: case %i",
    async (_, one) => {
      const graph = graphOf(
        one.shapes.map(shape => ["float32", shape] as const),
        one.define,
      )
      expect(graph.nodes.map(node => node.op)).toContain(op)
      await check(graph, one)
    },
  )
})
