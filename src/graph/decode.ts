import type { Message } from "@bufbuild/protobuf"
import { fromBinary } from "@bufbuild/protobuf"
import { elementsOf } from "../arrays/elements.ts"
import type { ScoreSdeErrorOptions } from "../errors.ts"
import type { DType, Tensor, TensorData } from "../tensor.ts"
import { bytesPerElement, elementCount, tensor } from "../tensor.ts"
import { nodeNameEnd } from "./encode.ts"
import { GraphError } from "./errors.ts"
import { inferTypes } from "./infer.ts"
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from "./onnx_pb.ts"
import { ModelProtoSchema } from "./onnx_pb.ts"
import { dtypeFromCode } from "./onnx-types.ts"
import type { Attribute, Dim, Graph, GraphValue, Initializer, Node, ValueType } from "./types.ts"
import { formatShape } from "./types.ts"

/** The contents of the files that a model's tensors name, by bare file name. */
export type ExternalData = ReadonlyMap<string, Uint8Array>

/**
 * Reads an `.onnx` file into the representation that the builder makes. Every tensor becomes a constant of the graph;
 * what stands in `bytes` or `external` is used where it stands wherever its alignment allows.
 *
 * @throws GraphError `GRAPH_INVALID_FILE` for bytes that are no ONNX model, reach outside their files, name what isn't
 *   there, or use parts of the format that this library has no use for.
 */
export function decodeGraph(bytes: Uint8Array, external: ExternalData = new Map()): Graph {
  const model = readModel(bytes)
  const proto = model.graph
  if (!proto) throw invalid("The file holds no ONNX graph.")
  refuse(model, modelFunctions, "functions of its own")
  refuse(proto, sparseInitializers, "sparse tensors")

  const initializers = new Map<string, Initializer>()
  const addConstant = (name: string, tensor: Tensor): void => {
    if (initializers.has(name)) throw invalid(`The tensor "${name}" is defined twice.`)
    initializers.set(name, { kind: "constant", name, tensor })
  }
  for (const tensor of proto.initializer) addConstant(tensor.name, decodeTensor(tensor, external))
  const nodes: Node[] = []
  for (const nodeProto of proto.node) {
    const node = decodeNode(nodeProto, external)
    const value = constantNodeValue(node)
    if (value) addConstant(node.outputs[0]!, value)
    else nodes.push(node)
  }
  checkNames(proto, nodes, initializers)

  const otherOpsets = decodeOpsets(model)
  const opset = otherOpsets.get("")
  otherOpsets.delete("")
  if (opset === undefined) throw invalid("The file doesn't say which version of ONNX's operators it uses.")
  const graph = {
    name: proto.name,
    opset,
    otherOpsets,
    inputs: proto.input.filter(({ name }) => !initializers.has(name)).map(info => decodeValue(info)),
    outputs: [],
    nodes,
    initializers,
    types: declaredTypes(proto),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  }
  const types = inferTypes(graph)
  return { ...graph, types, outputs: proto.output.map(info => decodeValue(info, types)) }
}

function readModel(bytes: Uint8Array): ModelProto {
  try {
    // Files of strangers may nest messages without end; the library stops at a depth of 100.
    return fromBinary(ModelProtoSchema, bytes)
  } catch (cause) {
    throw invalid("The bytes are not a protobuf message of an ONNX model.", { cause })
  }
}

function invalid(message: string, options?: ScoreSdeErrorOptions): GraphError {
  return new GraphError("GRAPH_INVALID_FILE", message, options)
}

// Fields of the ONNX specification that onnx.proto leaves out and that a model would mean something else without.
const modelFunctions = 25
const sparseInitializers = 15
const attributeGraphs = 11

function refuse(message: Message, field: number, what: string): void {
  if (message.$unknown?.some(({ no }) => no === field)) {
    throw invalid(`The model has ${what}, which is not supported.`)
  }
}

function decodeOpsets(model: ModelProto): Map<string, number> {
  return new Map(
    model.opsetImport.map(({ domain, version }) => [standardDomain(domain), Number(version)] as const),
  )
}

// The standard operators' domain has two spellings.
function standardDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain
}

function decodeNode(node: NodeProto, external: ExternalData): Node {
  const end = nodeNameEnd(node.opType, node.output)
  return {
    op: node.opType,
    domain: standardDomain(node.domain),
    scope: node.name.endsWith(end) ? node.name.slice(0, -end.length) : node.name,
    inputs: node.input,
    outputs: node.output,
    attributes: Object.fromEntries(
      node.attribute.map(attribute => [attribute.name, decodeAttribute(attribute, external)]),
    ),
  }
}

// What a Constant node gives, in any of the forms that the operator has for numbers.
function constantNodeValue({ op, domain, outputs, attributes }: Node): Tensor | undefined {
  if (op !== "Constant" || domain !== "" || outputs.length !== 1) return undefined
  const [form, attribute] = Object.entries(attributes)[0] ?? []
  if (attribute === undefined) return undefined
  const { kind, value } = attribute
  if (form === "value" && kind === "tensor") return value
  if (form === "value_float" && kind === "float") return tensor("float32", [], Float32Array.of(value))
  if (form === "value_floats" && kind === "floats") {
    return tensor("float32", [value.length], Float32Array.from(value))
  }
  if (form === "value_int" && kind === "int") return tensor("int64", [], BigInt64Array.of(BigInt(value)))
  if (form === "value_ints" && kind === "ints") {
    return tensor("int64", [value.length], BigInt64Array.from(value, BigInt))
  }
  return undefined
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
      throw invalid(`${node.op} "${node.scope}" reads "${missing}", which nothing before it defines.`)
    }
    for (const output of node.outputs) {
      if (output !== "" && defined.has(output)) throw invalid(`The value "${output}" is defined twice.`)
      defined.add(output)
    }
  }
  const output = proto.output.find(({ name }) => !defined.has(name))
  if (output) throw invalid(`Nothing defines the output "${output.name}".`)
}

function declaredTypes(proto: GraphProto): Map<string, ValueType> {
  const types = new Map<string, ValueType>()
  for (const info of [...proto.input, ...proto.valueInfo, ...proto.output]) {
    const type = decodeType(info)
    if (type) types.set(info.name, type)
  }
  return types
}

function decodeValue(info: ValueInfoProto, inferred?: ReadonlyMap<string, ValueType>): GraphValue {
  const type = decodeType(info) ?? inferred?.get(info.name)
  if (!type) throw invalid(`The type of "${info.name}" is missing or not a supported tensor.`)
  return { name: info.name, ...type }
}

function decodeType(info: ValueInfoProto): ValueType | undefined {
  const type = info.type?.value
  const dtype = type?.case === "tensorType" ? dtypeFromCode(type.value.elemType) : undefined
  if (type?.case !== "tensorType" || !dtype || !type.value.shape) return undefined
  const shape = type.value.shape.dim.map(({ value }, axis): Dim => {
    const size = value.case === "dimValue" ? Number(value.value) : value.value
    const known = typeof size === "string" ? size !== "" : Number.isSafeInteger(size) && Number(size) >= 0
    return known ? size! : `${info.name}_${axis}`
  })
  return { dtype, shape }
}

// Type numbers are those of AttributeProto.AttributeType. What our kinds would change stays as it was read.
function decodeAttribute(attribute: AttributeProto, external: ExternalData): Attribute {
  refuse(attribute, attributeGraphs, `a list of graphs as the attribute ${attribute.name}`)
  const { type, f, i, s, t, floats, ints, strings } = attribute
  if (type === 1) return { kind: "float", value: f }
  if (type === 2 && isSafe(i)) return { kind: "int", value: Number(i) }
  if (type === 3 && isUtf8(s)) return { kind: "string", value: utf8.decode(s) }
  if (type === 4 && t) return { kind: "tensor", value: decodeTensor(t, external) }
  if (type === 6) return { kind: "floats", value: floats }
  if (type === 7 && ints.every(isSafe)) return { kind: "ints", value: ints.map(Number) }
  if (type === 8 && strings.every(isUtf8)) {
    return { kind: "strings", value: strings.map(bytes => utf8.decode(bytes)) }
  }
  return { kind: "opaque", value: attribute }
}

function isSafe(integer: bigint): boolean {
  return Number.isSafeInteger(Number(integer))
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes)
    return true
  } catch {
    return false
  }
}

function decodeTensor(proto: TensorProto, external: ExternalData): Tensor {
  const dtype = dtypeFromCode(proto.dataType)
  if (!dtype) {
    throw invalid(`Tensor "${proto.name}" has element type ${proto.dataType}, which is not supported.`)
  }
  const shape = proto.dims.map(Number)
  const count = elementCount(shape)
  if (!shape.every(size => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(count)) {
    throw invalid(`Tensor "${proto.name}" can't have the shape ${formatShape(shape)}.`)
  }
  const checkLength = (found: number): void => {
    if (found !== count) {
      throw invalid(`Tensor "${proto.name}" of shape ${formatShape(shape)} holds ${found} elements.`)
    }
  }
  const bytes = proto.dataLocation === 1 ? externalBytes(proto, external) : proto.rawData
  if (bytes.length > 0) {
    checkLength(bytes.length / bytesPerElement[dtype])
    return { dtype, shape, data: elementsOf(dtype, bytes) }
  }
  const listed = listedElements(proto, dtype)
  checkLength(listed.length)
  return { dtype, shape, data: listed }
}

function externalBytes(proto: TensorProto, external: ExternalData): Uint8Array {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]))
  const file = entries.get("location") ?? ""
  const bytes = external.get(file)
  if (!bytes) {
    throw invalid(`Tensor "${proto.name}" stands in the file "${file}", which was not given.`)
  }
  const number = (key: string, fallback: number): number => {
    const text = entries.get(key) ?? String(fallback)
    if (!/^\d{1,15}$/.test(text)) throw invalid(`The ${key} of tensor "${proto.name}" is "${text}".`)
    return Number(text)
  }
  const offset = number("offset", 0)
  const end = offset + number("length", Math.max(bytes.length - offset, 0))
  if (end > bytes.length) {
    throw invalid(`Tensor "${proto.name}" reaches to byte ${end} of "${file}", which has ${bytes.length}.`)
  }
  return bytes.subarray(offset, end)
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
