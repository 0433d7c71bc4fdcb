// https://huggingface.co/docs/safetensors: 8 bytes N, N bytes of JSON, the data of all tensors without gaps.
import { parse } from "lossless-json"
import * as v from "valibot"
import type { ByteSource } from "../platform/byte-source.ts"
import { bytesPerElement, type DType, elementCount } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import type { TensorInfo } from "./weights-file.ts"

/** The bound of Python's safetensors. */
const maxHeaderBytes = 100_000_000

/** The name of each element type in the header. */
export const safetensorsNames: { readonly [D in DType]: string } = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float64: "F64",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
}

const dtypes: ReadonlyMap<string, DType> = new Map(
  (Object.keys(safetensorsNames) as DType[]).map(dtype => [safetensorsNames[dtype], dtype]),
)

/** A tensor's place in the file: bytes `begin` to `end`. */
export interface SafetensorsEntry extends TensorInfo {
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>
  readonly entries: readonly SafetensorsEntry[]
}

const count: v.GenericSchema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const metadataSchema: v.GenericSchema<Record<string, string>> = v.record(v.string(), v.string())
const tensorSchema = v.object({
  dtype: v.string(),
  shape: v.array(count),
  data_offsets: v.tuple([count, count]),
})

/**
 * Reads and checks a header: afterwards every tensor lies inside the file, none overlap, and nothing is left over.
 *
 * @throws WeightsError `TRUNCATED`, `TOO_LARGE`, `MALFORMED`, `UNSUPPORTED`.
 */
export async function readSafetensorsHeader(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<SafetensorsHeader> {
  const { name, size } = source
  if (size < 8) throw truncated(name, `it has ${size} bytes, which do not even hold the length of its header`)
  const lengthBytes = await source.read(0, 8, signal)
  const headerBytes = Number(new DataView(lengthBytes.buffer).getBigUint64(0, true))
  if (headerBytes > maxHeaderBytes) {
    throw new WeightsError(
      "TOO_LARGE",
      `${name} announces a header of ${headerBytes} bytes; at most ${maxHeaderBytes} are allowed.`,
      { hint: "It is probably not a safetensors file." },
    )
  }
  const dataStart = 8 + headerBytes
  if (dataStart > size) throw truncated(name, `its header ends at byte ${dataStart}, the file at ${size}`)

  const header = parseJson(name, await source.read(8, headerBytes, signal))
  let metadata: Readonly<Record<string, string>> = {}
  const entries: SafetensorsEntry[] = []
  for (const [key, value] of Object.entries(header)) {
    if (key === "__metadata__") metadata = parseMetadata(name, value)
    else entries.push(parseEntry(name, key, value, dataStart))
  }
  checkPlaces(name, entries, dataStart, size)
  return { metadata, entries }
}

function parseJson(name: string, bytes: Uint8Array): object {
  let header: unknown
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    header = parse(text, undefined, {
      parseNumber: Number,
      onDuplicateKey: ({ key }) => {
        throw new SyntaxError(`"${key}" occurs twice`)
      },
    })
  } catch (cause) {
    throw malformed(name, `its header is not JSON (${(cause as Error).message})`, cause)
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw malformed(name, "its header is not a JSON object")
  }
  return header
}

function parseMetadata(name: string, value: unknown): Record<string, string> {
  if (value === null) return {}
  const parsed = v.safeParse(metadataSchema, value)
  if (!parsed.success) throw malformed(name, "its __metadata__ is not a map of strings")
  return parsed.output
}

function parseEntry(name: string, key: string, value: unknown, dataStart: number): SafetensorsEntry {
  const parsed = v.safeParse(tensorSchema, value)
  if (!parsed.success) {
    const path = v.getDotPath(parsed.issues[0])
    const where = path === null ? `"${key}"` : `"${key}", ${path}`
    throw malformed(name, `the entry of tensor ${where}: ${parsed.issues[0].message}`)
  }
  const { dtype: typeName, shape, data_offsets: offsets } = parsed.output
  const dtype = dtypes.get(typeName)
  if (dtype === undefined) {
    throw new WeightsError(
      "UNSUPPORTED",
      `The tensor "${key}" of ${name} has element type ${typeName}; ${[...dtypes.keys()].join(", ")} are read.`,
    )
  }
  const [begin, end] = offsets
  const needed = elementCount(shape) * bytesPerElement[dtype]
  if (end - begin !== needed) {
    const found = `${dtype} of shape [${shape.join(", ")}] takes ${needed} bytes, but its offsets span ${end - begin}`
    throw malformed(name, `the tensor "${key}": ${found}`)
  }
  return { name: key, dtype, shape, begin: dataStart + begin, end: dataStart + end }
}

function checkPlaces(
  name: string,
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  size: number,
): void {
  let covered = dataStart
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin < covered) throw malformed(name, `the tensor "${entry.name}" overlaps the one before it`)
    if (entry.begin > covered) throw malformed(name, `there is a gap before the tensor "${entry.name}"`)
    covered = entry.end
  }
  if (covered > size) throw truncated(name, `its tensors end at byte ${covered}, the file at ${size}`)
  if (covered < size) throw malformed(name, `${size - covered} bytes follow the last tensor`)
}

function truncated(name: string, what: string): WeightsError {
  return new WeightsError("TRUNCATED", `${name} is cut off: ${what}.`, { hint: "Download it again." })
}

function malformed(name: string, what: string, cause?: unknown): WeightsError {
  return new WeightsError("MALFORMED", `${name} is not a sound safetensors file: ${what}.`, { cause })
}
