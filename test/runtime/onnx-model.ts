import { create, toBinary } from "@bufbuild/protobuf"
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../../src/graph/onnx_pb.ts"
import { dtypeCode } from "../../src/graph/onnx-types.ts"
import type { DType, Tensor } from "../../src/tensor.ts"

interface Value {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
}

interface TestModel {
  readonly nodes: readonly {
    readonly op: string
    readonly domain?: string
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
    readonly ints?: Readonly<Record<string, readonly number[] | number>>
  }[]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** With `file`, the tensor's elements are left to the external data of that name. */
  readonly weights?: Readonly<Record<string, Tensor & { readonly file?: string }>>
  readonly opset?: number
}

/** The bytes of an ONNX model, sound or not: nothing is checked. */
export function onnxModel({ nodes, inputs, outputs, weights = {}, opset = 18 }: TestModel): Uint8Array {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: ["", ...new Set(nodes.flatMap(node => node.domain ?? []))].map(domain => ({
        domain,
        version: domain === "" ? BigInt(opset) : 1n,
      })),
      graph: {
        name: "test",
        node: nodes.map(({ op, domain = "", inputs, outputs, ints = {} }) => ({
          opType: op,
          domain,
          input: [...inputs],
          output: [...outputs],
          attribute: Object.entries(ints).map(([name, value]) =>
            create(
              AttributeProtoSchema,
              typeof value === "number"
                ? { name, type: 2, i: BigInt(value) }
                : { name, type: 7, ints: value.map(BigInt) },
            ),
          ),
        })),
        initializer: Object.entries(weights).map(([name, { dtype, shape, data, file }]) => {
          const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          const place =
            file === undefined
              ? { rawData: bytes }
              : { dataLocation: 1, externalData: [{ key: "location", value: file }] }
          return create(TensorProtoSchema, {
            name,
            dims: shape.map(BigInt),
            dataType: dtypeCode(dtype),
            ...place,
          })
        }),
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo),
      },
    }),
  )
}

function valueInfo({ name, dtype, shape }: Value) {
  const dim = shape.map(size =>
    typeof size === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(size) } }
      : { value: { case: "dimParam" as const, value: size } },
  )
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: dtypeCode(dtype), shape: { dim } } } },
  })
}

/** y = x, of any type. */
export function identityModel(dtype: DType = "float32", shape: Value["shape"] = [1]): Uint8Array {
  return onnxModel({
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
    inputs: [{ name: "x", dtype, shape }],
    outputs: [{ name: "y", dtype, shape }],
  })
}

/**
 * Shaped like a denoiser: `out_sample` = tanh(conv(sample) + timestep), with a 3×3 kernel whose element i is
 * sin(i) / 5; and `twice` = 2 · out_sample.
 */
export function denoiserModel(size = 8, external?: string): Uint8Array {
  const image = ["batch", 3, size, size]
  return onnxModel({
    nodes: [
      {
        op: "Conv",
        inputs: ["sample", "kernel"],
        outputs: ["conv"],
        ints: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1], dilations: [1, 1], group: 1 },
      },
      { op: "Cast", inputs: ["timestep"], outputs: ["time"], ints: { to: 1 } },
      { op: "Reshape", inputs: ["time", "column"], outputs: ["times"] },
      { op: "Add", inputs: ["conv", "times"], outputs: ["sum"] },
      { op: "Tanh", inputs: ["sum"], outputs: ["out_sample"] },
      { op: "Add", inputs: ["out_sample", "out_sample"], outputs: ["twice"] },
    ],
    inputs: [
      { name: "sample", dtype: "float32", shape: image },
      { name: "timestep", dtype: "int64", shape: ["batch"] },
    ],
    outputs: [
      { name: "out_sample", dtype: "float32", shape: image },
      { name: "twice", dtype: "float32", shape: image },
    ],
    weights: {
      kernel: {
        dtype: "float32",
        shape: [3, 3, 3, 3],
        data: denoiserKernel,
        ...(external !== undefined && { file: external }),
      },
      column: { dtype: "int64", shape: [4], data: BigInt64Array.of(-1n, 1n, 1n, 1n) },
    },
  })
}

export const denoiserKernel: Float32Array<ArrayBuffer> = Float32Array.from(
  { length: 81 },
  (_, i) => Math.sin(i) / 5,
)

/** Inputs for {@link denoiserModel}: element i of the sample is cos(i), sample n has timestep n. */
export function denoiserFeeds(batch = 2, size = 8): Record<"sample" | "timestep", Tensor> {
  const data = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.cos(i))
  return {
    sample: { dtype: "float32", shape: [batch, 3, size, size], data },
    timestep: {
      dtype: "int64",
      shape: [batch],
      data: BigInt64Array.from({ length: batch }, (_, n) => BigInt(n)),
    },
  }
}

/** What {@link denoiserModel} computes, in doubles. */
export function denoiserOutput(batch = 2, size = 8): number[] {
  const { sample } = denoiserFeeds(batch, size)
  const at = (n: number, c: number, y: number, x: number): number =>
    y < 0 || x < 0 || y >= size || x >= size ? 0 : Number(sample.data[((n * 3 + c) * size + y) * size + x])
  const output: number[] = []
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < 3; o++)
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          let sum = n
          for (let c = 0; c < 3; c++)
            for (let k = 0; k < 9; k++)
              sum +=
                denoiserKernel[(o * 3 + c) * 9 + k]! * at(n, c, y + Math.floor(k / 3) - 1, x + (k % 3) - 1)
          output.push(Math.tanh(sum))
        }
  return output
}

/** y = x multiplied by itself `times` times over: as much work as is wanted, by the size of x. */
export function heavyModel(times: number): Uint8Array {
  return onnxModel({
    nodes: Array.from({ length: times }, (_, i) => ({
      op: "MatMul",
      inputs: [i === 0 ? "x" : `y${i}`, "x"],
      outputs: [i === times - 1 ? "y" : `y${i + 1}`],
    })),
    inputs: [{ name: "x", dtype: "float32", shape: ["n", "n"] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["n", "n"] }],
  })
}

/** A sum over zeros of the given shape: as much memory as is wanted. */
export function hungryModel(): Uint8Array {
  return onnxModel({
    nodes: [
      { op: "ConstantOfShape", inputs: ["shape"], outputs: ["zeros"] },
      { op: "ReduceSum", inputs: ["zeros"], outputs: ["y"], ints: { keepdims: 0 } },
    ],
    inputs: [{ name: "shape", dtype: "int64", shape: [2] }],
    outputs: [{ name: "y", dtype: "float32", shape: [] }],
  })
}
