import { BinaryReader } from "@bufbuild/protobuf/wire"

// Field numbers of onnx.proto.
const modelGraph = 7
const graphInitializer = 5
const tensorExternalData = 13
const entryKey = 1
const entryValue = 2

/**
 * The files that an `.onnx` file's weights lie in, as it names them; none when it is self-contained.
 * Reads past the weights themselves. Throws where the bytes are no protobuf message.
 */
export function externalDataFiles(model: Uint8Array): string[] {
  const files = new Set<string>()
  for (const graph of submessages(model, modelGraph)) {
    for (const tensor of submessages(graph, graphInitializer)) {
      for (const entry of submessages(tensor, tensorExternalData)) {
        const { key, value } = textEntry(entry)
        if (key === "location") files.add(value)
      }
    }
  }
  return [...files]
}

function* submessages(message: Uint8Array, field: number): Generator<Uint8Array> {
  const reader = new BinaryReader(message)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === field) yield reader.bytes()
    else reader.skip(wireType, number)
  }
}

function textEntry(message: Uint8Array): { key: string; value: string } {
  const entry = { key: "", value: "" }
  // Browsers don't decode text from shared memory, so from a copy.
  const reader = new BinaryReader(new Uint8Array(message))
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === entryKey) entry.key = reader.string()
    else if (number === entryValue) entry.value = reader.string()
    else reader.skip(wireType, number)
  }
  return entry
}
