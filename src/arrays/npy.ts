// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { bytesPerElement, type DType, elementCount, type Tensor } from "../tensor.ts"
import { bytesOf, elementsOf, swapByteOrder } from "./elements.ts"
import { ArrayFileError } from "./errors.ts"
import { columnMajorStrides, gatherStrided } from "./strided.ts"

const magic = "\x93NUMPY"
const maxHeaderBytes = 2 ** 16
const maxRank = 64

/** NumPy's codes, without the byte order. It has none for bfloat16. */
const typeCodes: ReadonlyMap<DType, string> = new Map<DType, string>([
  ["float32", "f4"],
  ["float64", "f8"],
  ["float16", "f2"],
  ["int64", "i8"],
  ["int32", "i4"],
  ["int16", "i2"],
  ["int8", "i1"],
  ["uint8", "u1"],
  ["bool", "b1"],
])

const dtypes: ReadonlyMap<string, DType> = new Map(Array.from(typeCodes, ([dtype, code]) => [code, dtype]))

/**
 * Reads a `.npy` file (versions 1 to 3) as a row-major tensor, whatever its byte order and memory order.
 *
 * @param fileName What errors call the file.
 * @throws ArrayFileError `FORMAT_UNKNOWN`, `TRUNCATED`, `MALFORMED`; `UNSUPPORTED` for Python objects, text, complex
 * and unsigned numbers beyond 8 bits.
 */
export function readNpy(bytes: Uint8Array, fileName: string): Tensor {
  const { text, dataStart } = readHeaderText(bytes, fileName)
  const { descr, fortranOrder, shape } = parseHeader(text, fileName)
  const dtype = dtypes.get(descr.slice(1))
  if (dtype === undefined || !"<>|".includes(descr[0]!)) {
    const readable = [...dtypes.keys()].join(", ")
    throw new ArrayFileError(
      "UNSUPPORTED",
      `${fileName} holds elements of type ${descr}; ${readable} are read.`,
      {
        hint: "Convert the array with .astype() before saving it.",
      },
    )
  }
  const size = bytesPerElement[dtype]
  const needed = elementCount(shape) * size
  const found = bytes.length - dataStart
  if (needed !== found) {
    throw new ArrayFileError(
      needed > found ? "TRUNCATED" : "MALFORMED",
      `${fileName} should hold ${needed} bytes for ${dtype} of shape [${shape.join(", ")}], but holds ${found}.`,
    )
  }
  const content = new Uint8Array(bytes.subarray(dataStart))
  if (descr.startsWith(">")) swapByteOrder(content, size)
  const elements = elementsOf(dtype, content)
  const data = fortranOrder ? gatherStrided(elements, shape, columnMajorStrides(shape)) : elements
  return { dtype, shape, data }
}

/**
 * Writes a tensor as a `.npy` file, byte for byte as NumPy 2 does (version 1, little-endian, row-major).
 *
 * @throws ArrayFileError `UNSUPPORTED` for bfloat16, which NumPy does not know.
 */
export function writeNpy({ dtype, shape, data }: Tensor): Uint8Array<ArrayBuffer> {
  const code = typeCodes.get(dtype)
  if (code === undefined) {
    throw new ArrayFileError("UNSUPPORTED", `NumPy has no element type for ${dtype}.`, {
      hint: "Convert it to float32 first.",
    })
  }
  const descr = (bytesPerElement[dtype] === 1 ? "|" : "<") + code
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ")
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`
  // NumPy leaves room for the first size to grow to 21 digits, then aligns the data to 64 bytes.
  const growth = shape.length === 0 ? 0 : 21 - String(shape[0]).length
  const headerEnd = Math.ceil((10 + dictionary.length + growth + 1) / 64) * 64
  const header = `${dictionary.padEnd(headerEnd - 11)}\n`
  const bytes = new Uint8Array(headerEnd + data.byteLength)
  const prefix = `${magic}\x01\x00${String.fromCharCode(header.length & 0xff, header.length >> 8)}`
  bytes.set(Array.from(prefix + header, unit => unit.charCodeAt(0)))
  bytes.set(bytesOf(data), headerEnd)
  return bytes
}

function readHeaderText(bytes: Uint8Array, fileName: string): { text: string; dataStart: number } {
  if (String.fromCharCode(...bytes.subarray(0, magic.length)) !== magic) {
    throw new ArrayFileError("FORMAT_UNKNOWN", `${fileName} is not a .npy file.`)
  }
  const major = bytes[6] ?? 0
  if (major > 3)
    throw new ArrayFileError("UNSUPPORTED", `${fileName} has version ${major} of the .npy format.`)
  const lengthBytes = major === 1 ? 2 : 4
  const headerStart = 8 + lengthBytes
  if (major === 0 || bytes.length < headerStart) throw truncated(fileName)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > maxHeaderBytes) {
    throw new ArrayFileError(
      "TOO_LARGE",
      `${fileName} has a header of ${length} bytes; at most ${maxHeaderBytes} are read.`,
    )
  }
  const dataStart = headerStart + length
  if (bytes.length < dataStart) throw truncated(fileName)
  return { text: new TextDecoder().decode(bytes.subarray(headerStart, dataStart)), dataStart }
}

function truncated(fileName: string): ArrayFileError {
  return new ArrayFileError("TRUNCATED", `${fileName} ends inside its header.`)
}

interface NpyHeader {
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
}

const header = /^\{(.*)\}\s*$/s
/** One item of the dictionary: a key, and text, a truth value, a tuple of numbers, or a list (of fields). */
const item = /\s*'(\w+)'\s*:\s*('[^']*'|True|False|\([\dL,\s]*\)|\[.*\])\s*(?:,|$)\s*/sy

/** The header is a Python dictionary with three known keys; anything else in it is refused. */
function parseHeader(text: string, fileName: string): NpyHeader {
  const malformed = () =>
    new ArrayFileError(
      "MALFORMED",
      `The header of ${fileName} is not understood: ${text.slice(0, 200).trim()}`,
    )
  const inner = header.exec(text)?.[1]
  if (inner === undefined) throw malformed()
  const values = new Map<string, string>()
  item.lastIndex = 0
  while (item.lastIndex < inner.length) {
    const [, key, value] = item.exec(inner) ?? []
    if (key === undefined || value === undefined || values.has(key)) throw malformed()
    values.set(key, value)
  }
  const descr = values.get("descr")
  const order = values.get("fortran_order")
  const shape = parseShape(values.get("shape"))
  if (values.size !== 3 || !descr || !shape || (order !== "True" && order !== "False")) throw malformed()
  const type = descr.startsWith("'") ? descr.slice(1, -1) : descr
  return { descr: type, fortranOrder: order === "True", shape }
}

function parseShape(text: string | undefined): number[] | undefined {
  if (!text?.startsWith("(")) return undefined
  const sizes = text
    .slice(1, -1)
    .split(",")
    .map(size => size.trim().replace(/L$/, ""))
  if (sizes.at(-1) === "") sizes.pop()
  const shape = sizes.map(Number)
  const isSound = sizes.every(size => /^\d+$/.test(size)) && shape.every(Number.isSafeInteger)
  return isSound && shape.length <= maxRank ? shape : undefined
}
