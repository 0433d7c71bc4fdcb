import { PickleObject, PickleRefusal, type PickleValue } from "./unpickler.ts"

const readers: ReadonlyMap<string, (view: DataView, littleEndian: boolean) => number | bigint | boolean> =
  new Map<string, (view: DataView, littleEndian: boolean) => number | bigint | boolean>([
    ["f8", (view, little) => view.getFloat64(0, little)],
    ["f4", (view, little) => view.getFloat32(0, little)],
    ["i8", (view, little) => narrow(view.getBigInt64(0, little))],
    ["u8", (view, little) => narrow(view.getBigUint64(0, little))],
    ["i4", (view, little) => view.getInt32(0, little)],
    ["u4", (view, little) => view.getUint32(0, little)],
    ["i2", (view, little) => view.getInt16(0, little)],
    ["u2", (view, little) => view.getUint16(0, little)],
    ["i1", view => view.getInt8(0)],
    ["u1", view => view.getUint8(0)],
    ["b1", view => view.getUint8(0) !== 0],
  ])

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** A pickled `numpy.dtype` of one number. */
export class NumpyType extends PickleObject {
  readonly code: string
  littleEndian = true

  constructor(code: PickleValue | undefined) {
    super()
    if (typeof code !== "string" || !readers.has(code)) {
      throw new PickleRefusal(`a NumPy type "${typeof code === "string" ? code : "?"}" that is no number`)
    }
    this.code = code
  }

  /** The state is (version, byte order, …). */
  override setState(state: PickleValue): void {
    const order = Array.isArray(state) ? state[1] : undefined
    if (order !== "<" && order !== ">" && order !== "|")
      throw new PickleRefusal("a NumPy type without a byte order")
    this.littleEndian = order !== ">"
  }
}

/** `numpy.core.multiarray.scalar(type, bytes)` as a plain number. */
export function numpyScalar([type, data]: readonly PickleValue[]): number | bigint | boolean {
  // Python 2 wrote the bytes as text.
  const bytes = typeof data === "string" ? Uint8Array.from(data, unit => unit.charCodeAt(0)) : data
  if (!(type instanceof NumpyType) || !(bytes instanceof Uint8Array)) {
    throw new PickleRefusal("a NumPy number without a type or bytes")
  }
  if (bytes.length !== Number(type.code[1]))
    throw new PickleRefusal(`a NumPy ${type.code} of ${bytes.length} bytes`)
  return readers.get(type.code)!(new DataView(bytes.buffer, bytes.byteOffset), type.littleEndian)
}
