import { fromBinary } from "@bufbuild/protobuf"
import type { DType, Tensor, TensorData } from "../tensor.ts"
import { bytesPerElement, elementCount } from "../tensor.ts"
import { GraphError } from "./errors.ts"
import { inferTypes } from "./infer.ts"
import type { AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto } from "./onnx_pb.ts"
import { ModelProtoSchema } from "./onnx_pb.ts"
import { dtypeFromCode } from "./onnx-types.ts"
import type { Attribute, Dim, Graph, GraphValue, Initializer, Node, ValueType } from "./types.ts"

/** Opens the files that a model with external data names: their bytes by bare file name. */
export type ExternalData = ReadonlyMap<string, Uint8Array>

/**
 * Reads an `.onnx` file into the representation that the builder makes. Every tensor becomes a constant of the graph;
 * what stands in `bytes` or `external` is used where it stands wherever its alignment allows.
 *
 * @throws GraphError `GRAPH_INVALID_FILE` for bytes that are no ONNX model, reach outside their files or name what isn't there.
 */
export function decodeGraph(bytes: Uint8Array, external: ExternalData = new Map()): Graph {
  let model: ModelProto
  try {
    model = fromBinary(ModelProtoSchema, bytes)
  } catch (cause) {
    throw new GraphError("GRAPH_INVALID_FILE", "The bytes are not a protobuf message of an ONNX model.", {
      cause,
    })
  }
  const proto = model.graph
  if (!proto) throw new GraphError("GRAPH_INVALID_FILE", "The file holds no ONNX graph.")
  const opset = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")
  const initializers = new Map(
    proto.initializer.map((tensor): [string, Initializer] => [
      tensor.name,
      { kind: "constant", name: tensor.name, tensor: decodeTensor(tensor, external) },
    ]),
  )
  const nodes: Node[] = []
  for (const node of proto.node) {
    const value = node.attribute.find(({ name }) => name === "value")
    if (node.opType === "Constant" && value?.t && node.output[0] !== undefined) {
      const name = node.output[0]
      initializers.set(name, { kind: "constant", name, tensor: decodeTensor(value.t, external) })
      continue
    }
    nodes.push({
      op: node.opType,
      domain: node.domain === "ai.onnx" ? "" : node.domain,
      scope: node.name,
      inputs: node.input,
      outputs: node.output,
      attributes: Object.fromEntries(
        node.attribute.map(attribute => [attribute.name, decodeAttribute(attribute, external)]),
      ),
    })
  }
  checkNames(proto, nodes, initializers)
  const isInput = ({ name }: ValueInfoProto): boolean => !initializers.has(name)
  const graph = {
    name: proto.name,
    opset: Number(opset?.version ?? 0),
    inputs: proto.input.filter(isInput).map(decodeValue),
    outputs: proto.output.map(decodeValue),
    nodes,
    initializers,
    types: declaredTypes(proto),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  }
  return { ...graph, types: inferTypes(graph) }
}

function checkNames(
  proto: GraphProto,
  nodes: readonly Node[],
  initializers: ReadonlyMap<string, unknown>,
): void {
  const defined = new Set(["", ...initializers.keys(), ...proto.input.map(({ name }) => name)])
  for (const node of nodes) {
    const missing = node.inputs.find(input => !defined.has(input))
    if (missing !== undefined) {
      throw new GraphError(
        "GRAPH_INVALID_FILE",
        `${node.op} "${node.scope}" reads "${missing}", which nothing before it defines.`,
      )
    }
    for (const output of node.outputs) defined.add(output)
  }
  const output = proto.output.find(({ name }) => !defined.has(name))
  if (output) throw new GraphError("GRAPH_INVALID_FILE", `Nothing defines the output "${output.name}".`)
}

function declaredTypes(proto: GraphProto): Map<string, ValueType> {
  const types = new Map<string, ValueType>()
  for (const info of [...proto.input, ...proto.valueInfo, ...proto.output]) {
    const type = decodeType(info)
    if (type) types.set(info.name, type)
  }
  return types
}

function decodeValue(info: ValueInfoProto): GraphValue {
  const type = decodeType(info)
  if (!type)
    throw new GraphError(
      "GRAPH_INVALID_FILE",
      `The type of "${info.name}" is missing or not a supported tensor.`,
    )
  return { name: info.name, ...type }
}

function decodeType(info: ValueInfoProto): ValueType | undefined {
  const type = info.type?.value
  const dtype = type?.case === "tensorType" ? dtypeFromCode(type.value.elemType) : undefined
  if (type?.case !== "tensorType" || !dtype || !type.value.shape) return undefined
  const shape = type.value.shape.dim.map(
    ({ value }, axis): Dim =>
      value.case === "dimValue"
        ? Number(value.value)
        : value.case === "dimParam"
          ? value.value
          : `${info.name}_${axis}`,
  )
  return { dtype, shape }
}

function decodeAttribute(attribute: AttributeProto, external: ExternalData): Attribute {
  const text = new TextDecoder()
  switch (attribute.type) {
    case 1:
      return { kind: "float", value: attribute.f }
    case 2:
      return { kind: "int", value: Number(attribute.i) }
    case 3:
      return { kind: "string", value: text.decode(attribute.s) }
    case 4:
      if (attribute.t) return { kind: "tensor", value: decodeTensor(attribute.t, external) }
      break
    case 6:
      return { kind: "floats", value: attribute.floats }
    case 7:
      return { kind: "ints", value: attribute.ints.map(Number) }
    case 8:
      return { kind: "strings", value: attribute.strings.map(bytes => text.decode(bytes)) }
  }
  return { kind: "opaque", value: attribute }
}

function decodeTensor(proto: TensorProto, external: ExternalData): Tensor {
  const dtype = dtypeFromCode(proto.dataType)
  if (!dtype)
    throw new GraphError(
      "GRAPH_INVALID_FILE",
      `Tensor "${proto.name}" has element type ${proto.dataType}, which is not supported.`,
    )
  const shape = proto.dims.map(Number)
  const bytes = proto.dataLocation === 1 ? externalBytes(proto, external) : proto.rawData
  const count = elementCount(shape)
  const wrong = (found: number): never => {
    throw new GraphError(
      "GRAPH_INVALID_FILE",
      `Tensor "${proto.name}" of shape [${shape.join(", ")}] holds ${found} elements.`,
    )
  }
  if (!shape.every(size => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(count))
    wrong(bytes.length)
  if (bytes.length > 0 || count === 0) {
    if (bytes.length !== count * bytesPerElement[dtype]) wrong(bytes.length / bytesPerElement[dtype])
    return { dtype, shape, data: view(bytes, dtype) }
  }
  const listed = listedElements(proto, dtype)
  if (listed.length !== count) wrong(listed.length)
  return { dtype, shape, data: listed }
}

function externalBytes(proto: TensorProto, external: ExternalData): Uint8Array {
  const entry = (key: string): string | undefined => proto.externalData.find(pair => pair.key === key)?.value
  const file = entry("location") ?? ""
  const bytes = external.get(file)
  if (!bytes) {
    throw new GraphError(
      "GRAPH_INVALID_FILE",
      `Tensor "${proto.name}" stands in the file "${file}", which was not given.`,
    )
  }
  const offset = Number(entry("offset") ?? 0)
  const length = Number(entry("length") ?? bytes.length - offset)
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    throw new GraphError(
      "GRAPH_INVALID_FILE",
      `Tensor "${proto.name}" reaches to byte ${offset + length} of "${file}", which has ${bytes.length}.`,
    )
  }
  return bytes.subarray(offset, offset + length)
}

const arrays: {
  readonly [D in DType]: new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => TensorData[D]
} = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
}

function view(bytes: Uint8Array, dtype: DType): TensorData[DType] {
  const size = bytesPerElement[dtype]
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  return new arrays[dtype](aligned.buffer, aligned.byteOffset, bytes.length / size)
}

// Small tensors may be written element by element in a field of their own type instead of as raw bytes.
function listedElements(proto: TensorProto, dtype: DType): TensorData[DType] {
  switch (dtype) {
    case "float32":
      return Float32Array.from(proto.floatData)
    case "float64":
      return Float64Array.from(proto.doubleData)
    case "int64":
      return BigInt64Array.from(proto.int64Data)
    case "int32":
      return Int32Array.from(proto.int32Data)
    case "int16":
      return Int16Array.from(proto.int32Data)
    case "int8":
      return Int8Array.from(proto.int32Data)
    case "uint8":
    case "bool":
      return Uint8Array.from(proto.int32Data)
    case "float16":
    case "bfloat16":
      return Uint16Array.from(proto.int32Data)
  }
}
