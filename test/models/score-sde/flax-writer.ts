import type { Tensor } from "../../../src/tensor.ts"

/** Nested dictionaries of arrays. */
export interface Tree {
  readonly [name: string]: Tensor<"float32"> | Tree
}

/** What flax.serialization.to_bytes makes of a tree. */
export function flaxBytes(tree: Tree): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([...chunks(tree)]))
}

function* chunks(tree: Tree): Generator<Uint8Array> {
  const entries = Object.entries(tree)
  yield header(0xdf, entries.length)
  for (const [name, value] of entries) {
    yield text(name)
    if (isArray(value)) yield* array(value)
    else yield* chunks(value)
  }
}

function isArray(value: Tensor<"float32"> | Tree): value is Tensor<"float32"> {
  return ArrayBuffer.isView((value as Tensor).data)
}

/** The extension 1, of [shape, type, bytes]. */
function* array({ shape, data }: Tensor<"float32">): Generator<Uint8Array> {
  const content = Buffer.concat([
    header(0xdd, 3),
    header(0xdd, shape.length),
    ...shape.map(size => header(0xce, size)),
    text("float32"),
    header(0xc6, data.byteLength),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ])
  yield header(0xc9, content.length)
  yield Uint8Array.of(1)
  yield content
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value)
  return Buffer.concat([header(0xdb, bytes.length), bytes])
}

/** A kind and 32 bits of length, or of an unsigned number. */
function header(kind: number, length: number): Uint8Array {
  const bytes = new Uint8Array(5)
  bytes[0] = kind
  new DataView(bytes.buffer).setUint32(1, length)
  return bytes
}
