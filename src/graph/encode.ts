import { create, toBinary } from "@bufbuild/protobuf"
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import type { Tensor } from "../tensor.ts"
import { bytesPerElement, elementCount } from "../tensor.ts"
import { GraphError } from "./errors.ts"
import {
  type AttributeProto,
  AttributeProtoSchema,
  DimensionSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts"
import { dtypeCode } from "./onnx-types.ts"
import type { Attribute, Graph, GraphValue, Initializer } from "./types.ts"
import type { WeightLayout, WeightPlace, WeightSource } from "./weight-layout.ts"
import { weightChunks, weightLayout } from "./weight-layout.ts"

// A protobuf message can't be larger than this, and so no ONNX file without external data.
const maxMessageBytes = 2 ** 31 - 1

/**
 * The `.onnx` bytes of a graph whose weights stand in a second file.
 *
 * @param dataFile bare name of that file, which must lie in the same folder.
 */
export function encodeWithExternalData(graph: Graph, dataFile: string, layout: WeightLayout): Uint8Array {
  const weights = layout.places.map(({ initializer, offset, length }) =>
    create(TensorProtoSchema, {
      ...tensorHeader(initializer),
      dataLocation: 1,
      externalData: [
        { key: "location", value: dataFile },
        { key: "offset", value: String(offset) },
        { key: "length", value: String(length) },
      ],
    }),
  )
  const proto = graphProto(graph)
  proto.initializer.push(...weights)
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { ...modelHeader(graph), graph: proto }))
}

/**
 * The bytes of a self-contained `.onnx` file, one weight at a time, so that a large model never stands in memory whole.
 *
 * @throws GraphError `GRAPH_TOO_LARGE` when the file would pass protobuf's limit of 2 GiB.
 */
export async function* encodeInline(
  graph: Graph,
  weights: WeightSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const layout = weightLayout(graph)
  const head = toBinary(ModelProtoSchema, create(ModelProtoSchema, modelHeader(graph)))
  const body = toBinary(GraphProtoSchema, graphProto(graph))
  const prefixes = layout.places.map(inlinePrefix)
  const graphBytes = prefixes.reduce(
    (sum, prefix, i) => sum + prefix.length + layout.places[i]!.length,
    body.length,
  )
  const graphPrefix = new BinaryWriter().tag(graphField, WireType.LengthDelimited)
  const total = head.length + graphBytes
  if (total > maxMessageBytes) {
    throw new GraphError(
      "GRAPH_TOO_LARGE",
      `The model takes ${total} bytes, more than the ${maxMessageBytes} of one ONNX file.`,
      { hint: "Write it with external data instead." },
    )
  }
  yield head
  yield graphPrefix.uint32(graphBytes).finish()
  yield body
  let index = 0
  for await (const chunk of weightChunks(layout, weights, signal)) {
    yield prefixes[index++]!
    yield chunk
  }
}

const graphField = ModelProtoSchema.field.graph.number
const initializerField = GraphProtoSchema.field.initializer.number
const rawDataField = TensorProtoSchema.field.rawData.number

// Everything of an initializer's encoding up to its elements.
function inlinePrefix({ initializer, length }: WeightPlace): Uint8Array {
  const header = toBinary(TensorProtoSchema, create(TensorProtoSchema, tensorHeader(initializer)))
  const dataTag = new BinaryWriter().tag(rawDataField, WireType.LengthDelimited).uint32(length).finish()
  return new BinaryWriter()
    .tag(initializerField, WireType.LengthDelimited)
    .uint32(header.length + dataTag.length + length)
    .raw(header)
    .raw(dataTag)
    .finish()
}

/** What follows a node's scope in its name in the file; reading takes it off again. */
export function nodeNameEnd(op: string, outputs: readonly string[]): string {
  return `/${op}:${outputs[0]}`
}

function modelHeader(graph: Graph) {
  return {
    irVersion: irVersion(graph.opset),
    producerName: "score-sde",
    opsetImport: [["", graph.opset] as const, ...graph.otherOpsets].map(([domain, version]) => ({
      domain,
      version: BigInt(version),
    })),
    metadataProps: Object.entries(graph.metadata).map(([key, value]) => ({ key, value })),
  }
}

// IR 8 is the version that came with opset 18, 9 with 19 and 20, 10 with 21; older readers take older ones only.
function irVersion(opset: number): bigint {
  return opset <= 18 ? 8n : opset <= 20 ? 9n : 10n
}

function graphProto(graph: Graph): GraphProto {
  const constants = [...graph.initializers.values()].filter(initializer => initializer.kind === "constant")
  const named = new Set([...graph.inputs, ...graph.outputs].map(value => value.name))
  const intermediate = graph.nodes
    .flatMap(node => node.outputs)
    .filter(name => name !== "" && !named.has(name) && graph.types.has(name))
  return create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map(node =>
      create(NodeProtoSchema, {
        opType: node.op,
        domain: node.domain,
        name: node.scope + nodeNameEnd(node.op, node.outputs),
        input: [...node.inputs],
        output: [...node.outputs],
        attribute: Object.entries(node.attributes).map(([name, attribute]) =>
          attributeProto(name, attribute),
        ),
      }),
    ),
    initializer: constants.map(({ name, tensor }) => constantProto(name, tensor)),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
    valueInfo: intermediate.map(name => valueInfo({ name, ...graph.types.get(name)! })),
  })
}

function tensorHeader(initializer: Exclude<Initializer, { kind: "constant" }>) {
  return {
    name: initializer.name,
    dims: initializer.shape.map(BigInt),
    dataType: dtypeCode(initializer.dtype),
  }
}

function constantProto(name: string, { dtype, shape, data }: Tensor): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, elementCount(shape) * bytesPerElement[dtype])
  return create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: dtypeCode(dtype), rawData })
}

function valueInfo({ name, dtype, shape }: GraphValue): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: "tensorType",
        value: {
          elemType: dtypeCode(dtype),
          shape: {
            dim: shape.map(size =>
              typeof size === "number"
                ? create(DimensionSchema, { value: { case: "dimValue", value: BigInt(size) } })
                : create(DimensionSchema, { value: { case: "dimParam", value: size } }),
            ),
          },
        },
      },
    },
  })
}

// Type numbers are those of AttributeProto.AttributeType.
function attributeProto(name: string, attribute: Attribute): AttributeProto {
  const text = new TextEncoder()
  switch (attribute.kind) {
    case "float":
      return create(AttributeProtoSchema, { name, type: 1, f: attribute.value })
    case "int":
      return create(AttributeProtoSchema, { name, type: 2, i: BigInt(attribute.value) })
    case "string":
      return create(AttributeProtoSchema, { name, type: 3, s: text.encode(attribute.value) })
    case "tensor":
      return create(AttributeProtoSchema, { name, type: 4, t: constantProto("", attribute.value) })
    case "floats":
      return create(AttributeProtoSchema, { name, type: 6, floats: [...attribute.value] })
    case "ints":
      return create(AttributeProtoSchema, { name, type: 7, ints: attribute.value.map(BigInt) })
    case "strings":
      return create(AttributeProtoSchema, {
        name,
        type: 8,
        strings: attribute.value.map(s => text.encode(s)),
      })
    case "opaque":
      return attribute.value
  }
}
