// MessagePack by ranges (https://github.com/msgpack/msgpack/blob/master/spec.md). The libraries for it want the whole
// file in memory; a training checkpoint has gigabytes, of which a quarter is wanted, and what is not stays unread.
import type { ByteSource } from "../platform/byte-source.ts"
import { WeightsError } from "./errors.ts"

/** The head of a value: the value itself where it is short, else where its bytes lie or how many values follow. */
export type MsgpackHead =
  | { readonly kind: "scalar"; readonly value: null | boolean | number | bigint }
  | { readonly kind: "text" | "binary"; readonly length: number }
  | { readonly kind: "extension"; readonly type: number; readonly length: number }
  /** `length` values follow, … */
  | { readonly kind: "array"; readonly length: number }
  /** … or as many pairs. */
  | { readonly kind: "map"; readonly length: number }

const windowBytes = 4096
/** A checkpoint of a thousand tensors with its optimizer has some 20,000. */
const maxValues = 200_000
const maxTextBytes = 4096

/** Reads heads and texts one after the other; bytes that are skipped are never read. */
export class MsgpackReader {
  position = 0
  readonly #source: ByteSource
  readonly #signal: AbortSignal | undefined
  #window = new DataView(new ArrayBuffer(0))
  #windowStart = 0
  #values = 0

  constructor(source: ByteSource, signal: AbortSignal | undefined) {
    this.#source = source
    this.#signal = signal
  }

  /** Whether everything has been read. */
  get atEnd(): boolean {
    return this.position === this.#source.size
  }

  /** The head of the next value. */
  async head(): Promise<MsgpackHead> {
    if (++this.#values > maxValues) {
      throw new WeightsError("TOO_LARGE", `${this.#source.name} holds over ${maxValues} values.`)
    }
    const first = await this.#uint(1)
    if (first < 0x80) return scalar(first)
    if (first < 0x90) return { kind: "map", length: first & 0x0f }
    if (first < 0xa0) return { kind: "array", length: first & 0x0f }
    if (first < 0xc0) return { kind: "text", length: first & 0x1f }
    if (first >= 0xe0) return scalar(first - 0x100)
    switch (first) {
      case 0xc0:
        return scalar(null)
      case 0xc2:
      case 0xc3:
        return scalar(first === 0xc3)
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return { kind: "binary", length: await this.#uint(2 ** (first - 0xc4)) }
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return await this.#extension(await this.#uint(2 ** (first - 0xc7)))
      case 0xca:
        return scalar((await this.#view(4)).getFloat32(0))
      case 0xcb:
        return scalar((await this.#view(8)).getFloat64(0))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return scalar(await this.#uint(2 ** (first - 0xcc)))
      case 0xcf:
        return scalar(narrow((await this.#view(8)).getBigUint64(0)))
      case 0xd0:
        return scalar((await this.#view(1)).getInt8(0))
      case 0xd1:
        return scalar((await this.#view(2)).getInt16(0))
      case 0xd2:
        return scalar((await this.#view(4)).getInt32(0))
      case 0xd3:
        return scalar(narrow((await this.#view(8)).getBigInt64(0)))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return await this.#extension(2 ** (first - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return { kind: "text", length: await this.#uint(2 ** (first - 0xd9)) }
      case 0xdc:
      case 0xdd:
        return { kind: "array", length: await this.#uint(2 * (first - 0xdb)) }
      case 0xde:
      case 0xdf:
        return { kind: "map", length: await this.#uint(2 * (first - 0xdd)) }
      default:
        throw this.malformed(`the byte 0x${first.toString(16)} begins no value`)
    }
  }

  /** The text whose head was read. */
  async text(length: number): Promise<string> {
    if (length > maxTextBytes)
      throw this.malformed(`a text of ${length} bytes, where only names are expected`)
    const view = await this.#view(length)
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(view)
    } catch {
      throw this.malformed("text that is not UTF-8")
    }
  }

  /** Moves past `length` bytes, and returns where they start. */
  skip(length: number): number {
    const start = this.position
    if (length > this.#source.size - start) {
      throw new WeightsError("TRUNCATED", `${this.#source.name} ends before its last value.`, {
        hint: "Download it again.",
      })
    }
    this.position = start + length
    return start
  }

  malformed(what: string): WeightsError {
    return new WeightsError(
      "MALFORMED",
      `${this.#source.name} is broken before byte ${this.position}: ${what}.`,
    )
  }

  async #extension(length: number): Promise<MsgpackHead> {
    const type = (await this.#view(1)).getInt8(0)
    return { kind: "extension", type, length }
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  async #uint(bytes: number): Promise<number> {
    const view = await this.#view(bytes)
    if (bytes === 1) return view.getUint8(0)
    return bytes === 2 ? view.getUint16(0) : view.getUint32(0)
  }

  /** The next bytes. */
  async #view(length: number): Promise<DataView> {
    const start = this.skip(length)
    const inWindow = start - this.#windowStart
    if (inWindow < 0 || inWindow + length > this.#window.byteLength) {
      const size = Math.min(windowBytes, this.#source.size - start)
      const bytes = await this.#source.read(start, Math.max(size, length), this.#signal)
      this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      this.#windowStart = start
    }
    const { buffer, byteOffset } = this.#window
    return new DataView(buffer, byteOffset + start - this.#windowStart, length)
  }
}

function scalar(value: null | boolean | number | bigint): MsgpackHead {
  return { kind: "scalar", value }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
