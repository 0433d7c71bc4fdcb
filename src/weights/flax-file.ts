// What flax.serialization.to_bytes writes: MessagePack with arrays as extensions.
import { elementsOf } from "../arrays/elements.ts"
import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { bytesPerElement, type DType, elementCount, type Tensor } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import { MsgpackReader } from "./msgpack-reader.ts"

/** What such a file can hold. Texts of bytes, complex numbers and other extensions, which no model has, are null. */
export type FlaxValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | FlaxArray
  | readonly FlaxValue[]
  | FlaxTree

/** A state dict: values by name. */
export type FlaxTree = ReadonlyMap<string, FlaxValue>

/** An array whose elements have not been read. */
export class FlaxArray {
  /** NumPy's name of the element type; not all of them are types of tensors. */
  readonly type: string
  readonly shape: readonly number[]
  /** Where the elements lie in the file, row-major; large arrays are cut into several pieces. */
  readonly pieces: readonly { readonly offset: number; readonly length: number }[]

  constructor(type: string, shape: readonly number[], pieces: FlaxArray["pieces"]) {
    this.type = type
    this.shape = shape
    this.pieces = pieces
  }

  get dtype(): DType | undefined {
    return Object.hasOwn(bytesPerElement, this.type) ? (this.type as DType) : undefined
  }
}

/** An open checkpoint of Flax. */
export interface FlaxFile {
  readonly name: string
  readonly root: FlaxTree
  /**
   * Reads one array, row-major; only its part of the file is read.
   *
   * @throws WeightsError `UNSUPPORTED` for elements that no tensor has.
   */
  readArray(array: FlaxArray, signal?: AbortSignal): Promise<Tensor>
  close(): Promise<void>
}

/** Whether a file may be one of Flax, from its first byte: a map that isn't empty. */
export function startsAsFlax(firstByte: number): boolean {
  return (firstByte > 0x80 && firstByte < 0x90) || firstByte === 0xde || firstByte === 0xdf
}

/**
 * Opens a checkpoint of Flax (`checkpoint_N`). Only names and shapes are read now.
 *
 * @throws WeightsError `TRUNCATED`, `MALFORMED`, `TOO_LARGE`.
 */
export async function openFlaxFile(source: ByteSource, signal?: AbortSignal): Promise<FlaxFile> {
  const reader = new MsgpackReader(source, signal)
  const root = await readValue(reader, 0)
  if (!(root instanceof Map)) throw reader.malformed("it holds no map")
  if (!reader.atEnd) throw reader.malformed("something follows the last value")
  return {
    name: source.name,
    root,
    readArray: (array, signal) => readArray(source, array, signal),
    close: () => source.close(),
  }
}

const maxDepth = 32
const maxRank = 32

const extensions = { array: 1, scalar: 3 } as const
const chunkedMark = "__msgpack_chunked_array__"

async function readValue(reader: MsgpackReader, depth: number): Promise<FlaxValue> {
  if (depth > maxDepth) throw reader.malformed(`values nest deeper than ${maxDepth}`)
  const head = await reader.head()
  switch (head.kind) {
    case "scalar":
      return head.value
    case "text":
      return await reader.text(head.length)
    case "binary":
      reader.skip(head.length)
      return null
    case "array": {
      const values: FlaxValue[] = []
      for (let i = 0; i < head.length; i++) values.push(await readValue(reader, depth + 1))
      return values
    }
    case "map": {
      const tree = new Map<string, FlaxValue>()
      for (let i = 0; i < head.length; i++) {
        const key = await readName(reader)
        tree.set(key, await readValue(reader, depth + 1))
      }
      return tree.get(chunkedMark) === true ? joined(reader, tree) : tree
    }
    case "extension": {
      if (head.type === extensions.array || head.type === extensions.scalar) {
        return await readExtension(reader, head.length)
      }
      reader.skip(head.length)
      return null
    }
  }
}

async function readName(reader: MsgpackReader): Promise<string> {
  const head = await reader.head()
  if (head.kind !== "text") throw reader.malformed("a name that is no text")
  return await reader.text(head.length)
}

/** An array's extension: again MessagePack, of [shape, type, bytes]. */
async function readExtension(reader: MsgpackReader, length: number): Promise<FlaxArray> {
  const end = reader.position + length
  const parts = await reader.head()
  if (parts.kind !== "array" || parts.length !== 3) throw reader.malformed("an array that is no triple")
  const shape = await readValue(reader, maxDepth - 1)
  const type = await readName(reader)
  const data = await reader.head()
  if (!isShape(shape) || data.kind !== "binary")
    throw reader.malformed("an array without a shape or elements")
  const array = new FlaxArray(type, shape, [{ offset: reader.skip(data.length), length: data.length }])
  if (reader.position !== end) throw reader.malformed("an array that doesn't fill its place")
  checkLength(reader, array)
  return array
}

/** Arrays beyond a gigabyte are written as { shape: { "0": … }, chunks: { "0": …, … } }. */
function joined(reader: MsgpackReader, tree: FlaxTree): FlaxArray {
  const shape = listOf(tree.get("shape"))
  const chunks = listOf(tree.get("chunks"))
  const [first] = chunks ?? []
  if (!isShape(shape) || !(first instanceof FlaxArray)) {
    throw reader.malformed("an array in pieces without a shape or pieces")
  }
  const pieces = chunks!.flatMap(chunk =>
    chunk instanceof FlaxArray && chunk.type === first.type ? chunk.pieces : [],
  )
  const array = new FlaxArray(first.type, shape, pieces)
  if (pieces.length !== chunks!.length) throw reader.malformed("an array in pieces of several types")
  checkLength(reader, array)
  return array
}

/** A tuple, which Flax writes as a map from "0", "1", …. */
function listOf(value: FlaxValue | undefined): FlaxValue[] | undefined {
  if (!(value instanceof Map)) return undefined
  const items = Array.from({ length: value.size }, (_, i) => value.get(String(i)))
  return items.includes(undefined) ? undefined : (items as FlaxValue[])
}

function isShape(value: FlaxValue | undefined): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= maxRank &&
    value.every(size => Number.isSafeInteger(size) && size >= 0) &&
    Number.isSafeInteger(elementCount(value))
  )
}

function checkLength(reader: MsgpackReader, { dtype, type, shape, pieces }: FlaxArray): void {
  if (dtype === undefined) return
  const expected = elementCount(shape) * bytesPerElement[dtype]
  const found = pieces.reduce((sum, { length }) => sum + length, 0)
  if (found !== expected) {
    throw reader.malformed(
      `an array of ${type} [${shape.join(", ")}] with ${found} bytes instead of ${expected}`,
    )
  }
}

async function readArray(
  source: ByteSource,
  { dtype, type, shape, pieces }: FlaxArray,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  throwIfAborted(signal)
  if (dtype === undefined) {
    throw new WeightsError("UNSUPPORTED", `${source.name} has an array of "${type}", which is not read.`)
  }
  const [only, second] = pieces
  if (only && !second) {
    const bytes = await source.read(only.offset, only.length, signal)
    return { dtype, shape, data: elementsOf(dtype, bytes) }
  }
  const bytes = new Uint8Array(elementCount(shape) * bytesPerElement[dtype])
  let end = 0
  for (const { offset, length } of pieces) {
    bytes.set(await source.read(offset, length, signal), end)
    end += length
  }
  return { dtype, shape, data: elementsOf(dtype, bytes) }
}
