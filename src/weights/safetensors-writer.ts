import { bytesOf } from "../arrays/elements.ts"
import { throwIfAborted } from "../errors.ts"
import { bytesPerElement, type DType, elementCount, type Tensor } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import { safetensorsNames } from "./safetensors-header.ts"
import type { TensorInfo } from "./weights-file.ts"

/** A tensor to write; `read` is called when its turn comes, so that only one needs to be in memory. */
export interface TensorToWrite extends TensorInfo {
  read(signal: AbortSignal | undefined): Tensor | Promise<Tensor>
}

/** Python's safetensors puts the data of the types with the strictest alignment first. */
const order: readonly DType[] = [
  "int64",
  "float64",
  "float32",
  "int32",
  "bfloat16",
  "float16",
  "int16",
  "int8",
  "uint8",
  "bool",
]

/**
 * A safetensors file, piece by piece, byte for byte as Python's safetensors writes it: by element type, then by name.
 *
 * @param metadata Text for the header; Diffusers writes `{ format: "pt" }`.
 * @throws WeightsError `MALFORMED` for a name that occurs twice, or when a tensor is not what was announced.
 */
export async function* writeSafetensors(
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const sorted = [...tensors].sort(compareTensors)
  yield encodeHeader(sorted, metadata)
  for (const tensor of sorted) {
    throwIfAborted(signal)
    const { dtype, shape, data } = await tensor.read(signal)
    if (dtype !== tensor.dtype || data.byteLength !== byteLength(tensor)) {
      throw new WeightsError(
        "MALFORMED",
        `The tensor "${tensor.name}" was announced as ${describe(tensor)}, but is ${describe({ dtype, shape })}.`,
      )
    }
    yield bytesOf(data)
  }
}

function describe({ dtype, shape }: Pick<TensorInfo, "dtype" | "shape">): string {
  return `${dtype} of shape [${shape.join(", ")}]`
}

function byteLength({ dtype, shape }: TensorInfo): number {
  return elementCount(shape) * bytesPerElement[dtype]
}

function encodeHeader(
  sorted: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header = new Map<string, unknown>([["__metadata__", metadata]])
  let end = 0
  for (const tensor of sorted) {
    if (header.has(tensor.name)) {
      throw new WeightsError("MALFORMED", `The name "${tensor.name}" is taken.`)
    }
    const begin = end
    end += byteLength(tensor)
    header.set(tensor.name, {
      dtype: safetensorsNames[tensor.dtype],
      shape: tensor.shape,
      data_offsets: [begin, end],
    })
  }
  if (Object.keys(metadata).length === 0) header.delete("__metadata__")
  // Not JSON.stringify of an object, whose keys that look like numbers would come first.
  const members = [...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  const json = new TextEncoder().encode(`{${members.join(",")}}`)
  const padded = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + padded).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(json, 8)
  return bytes
}

function compareTensors(a: TensorInfo, b: TensorInfo): number {
  return order.indexOf(a.dtype) - order.indexOf(b.dtype) || compareCodePoints(a.name, b.name)
}

/** The order of the UTF-8 bytes, which that of JavaScript's UTF-16 units is not beyond U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  let i = 0
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  return (a.codePointAt(i) ?? -1) - (b.codePointAt(i) ?? -1)
}
