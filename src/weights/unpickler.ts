// Python's pickle as data: a stack machine that knows containers, numbers and text, and asks its caller about every
// name. Nothing is looked up or run. Opcodes: CPython's Lib/pickletools.py, protocols 2 to 5.
import { WeightsError } from "./errors.ts"

/** What a pickle can hold; tuples are arrays. Integers beyond 2^53 are bigints. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleKey, PickleValue>
  | Set<PickleKey>
  | PickleObject

/** A dictionary's key. Tuples and objects as keys are refused. */
export type PickleKey = null | boolean | number | bigint | string

/** Something that the caller's names stand for. */
export abstract class PickleObject {
  /** Takes the state that `__setstate__` would get. */
  setState(_state: PickleValue): void {
    throw new PickleRefusal(`state is set on ${this.constructor.name}`)
  }
}

/** A function or class of the allow-list: our own reading of what the name means. */
export class PickleFunction extends PickleObject {
  readonly call: (args: readonly PickleValue[]) => PickleValue

  constructor(call: (args: readonly PickleValue[]) => PickleValue) {
    super()
    this.call = call
  }
}

/** Thrown by functions of the allow-list for arguments that they do not take; becomes `MALFORMED`. */
export class PickleRefusal extends Error {}

export interface PickleNames {
  /** What `module.name` stands for; `undefined` refuses the pickle. */
  find(module: string, name: string): PickleValue | undefined
  /** What a persistent id stands for: in PyTorch's files, a storage. */
  persistent(id: PickleValue): PickleValue
}

export interface Unpickled {
  readonly value: PickleValue
  /** Where the pickle ends in the bytes that were given. */
  readonly end: number
}

/** The size that callers should stop at. A pickle holds names, shapes and small values: of a thousand tensors, 200 kB. */
export const maxPickleBytes: number = 64 * 2 ** 20

/** A checkpoint of a thousand tensors with its optimizer has some 200,000 operations. */
const maxOperations = 4_000_000
const maxIntegerBytes = 256

/**
 * Reads one pickle from the start of `bytes`.
 *
 * @param fileName What errors call the file.
 * @throws WeightsError `UNSAFE_PICKLE` for a name that `names` does not know, `TRUNCATED` when the bytes end first,
 * `UNSUPPORTED` for an opcode that no checkpoint needs, `MALFORMED`, `TOO_LARGE`.
 */
export function unpickle(fileName: string, bytes: Uint8Array, names: PickleNames): Unpickled {
  try {
    const machine = new Machine(fileName, bytes, names)
    machine.run()
    return { value: machine.pop(), end: machine.position }
  } catch (error) {
    if (!(error instanceof PickleRefusal)) throw error
    throw new WeightsError("MALFORMED", `The pickle in ${fileName} is broken: ${error.message}.`)
  }
}

class Machine {
  readonly fileName: string
  readonly names: PickleNames
  readonly memo: Map<number, PickleValue> = new Map()
  position = 0
  stopped = false
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #stack: PickleValue[] = []
  readonly #marks: number[] = []

  constructor(fileName: string, bytes: Uint8Array, names: PickleNames) {
    this.fileName = fileName
    this.names = names
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  run(): void {
    for (let done = 0; !this.stopped; done++) {
      if (done === maxOperations) {
        throw new WeightsError(
          "TOO_LARGE",
          `The pickle in ${this.fileName} has over ${maxOperations} operations.`,
        )
      }
      const opcode = this.byte()
      const operation = operations.get(opcode)
      if (!operation) {
        const shown = `0x${opcode.toString(16).padStart(2, "0")}`
        throw new WeightsError(
          "UNSUPPORTED",
          `The pickle in ${this.fileName} has the opcode ${shown}, which is not read.`,
        )
      }
      operation(this)
    }
  }

  /** Moves past `length` bytes and returns where they start. */
  #advance(length: number): number {
    const start = this.position
    if (length > this.#bytes.length - start) {
      throw new WeightsError("TRUNCATED", `The pickle in ${this.fileName} is cut off.`, {
        hint: "Download it again.",
      })
    }
    this.position = start + length
    return start
  }

  byte(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true)
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true)
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  /** A length of 64 bits; one beyond 2^53 is beyond the bytes as well. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true))
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false)
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const start = this.#advance(length)
    return new Uint8Array(this.#bytes.subarray(start, start + length))
  }

  /** A little-endian integer in two's complement. */
  integer(length: number): number | bigint {
    if (length > maxIntegerBytes) throw new PickleRefusal(`an integer of ${length} bytes`)
    let value = 0n
    for (const byte of this.bytes(length).reverse()) value = (value << 8n) | BigInt(byte)
    const signed = BigInt.asIntN(length * 8, value)
    const narrow = Number(signed)
    return Number.isSafeInteger(narrow) ? narrow : signed
  }

  utf8(length: number): string {
    const bytes = this.bytes(length)
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      throw new PickleRefusal("text that is not UTF-8")
    }
  }

  /** Python 2's byte strings, one character a byte. */
  latin1(length: number): string {
    let text = ""
    for (const byte of this.bytes(length)) text += String.fromCharCode(byte)
    return text
  }

  line(): string {
    const newline = this.#bytes.indexOf(0x0a, this.position)
    const length = newline < 0 ? Number.POSITIVE_INFINITY : newline - this.position
    const text = this.utf8(length)
    this.position += 1
    return text
  }

  push(value: PickleValue): void {
    this.#stack.push(value)
  }

  pop(): PickleValue {
    const value = this.#stack.at(-1)
    if (value === undefined || this.#stack.length === this.#marks.at(-1)) {
      throw new PickleRefusal("a value is taken from an empty stack")
    }
    this.#stack.pop()
    return value
  }

  top(): PickleValue {
    const value = this.pop()
    this.#stack.push(value)
    return value
  }

  mark(): void {
    this.#marks.push(this.#stack.length)
  }

  /** All values above the latest mark. */
  popToMark(): PickleValue[] {
    const mark = this.#marks.pop()
    if (mark === undefined) throw new PickleRefusal("a mark is missing")
    return this.#stack.splice(mark)
  }

  /** The `count` values on top, the deepest first. */
  popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse()
  }

  recall(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw new PickleRefusal(`memo ${index} is read before it is written`)
    this.push(value)
  }

  pushGlobal(module: string, name: string): void {
    const value = this.names.find(module, name)
    if (value === undefined) {
      throw new WeightsError(
        "UNSAFE_PICKLE",
        `The pickle in ${this.fileName} names ${module}.${name}, which is not part of any plain checkpoint. Nothing of it was run.`,
        { hint: "Ask for the weights as safetensors, or convert them where you trust the file." },
      )
    }
    this.push(value)
  }
}

function appendTo(list: PickleValue, values: readonly PickleValue[]): void {
  if (!Array.isArray(list)) throw new PickleRefusal("values are appended to something that is no list")
  for (const value of values) list.push(value)
}

function setItems(dict: PickleValue, items: readonly PickleValue[]): void {
  if (!(dict instanceof Map)) throw new PickleRefusal("items are set on something that is no dictionary")
  if (items.length % 2 !== 0) throw new PickleRefusal("a key without a value")
  for (let i = 0; i < items.length; i += 2) dict.set(requireKey(items[i]!), items[i + 1]!)
}

function dictionary(items: readonly PickleValue[]): Map<PickleKey, PickleValue> {
  const dict = new Map<PickleKey, PickleValue>()
  setItems(dict, items)
  return dict
}

function addTo(set: PickleValue, values: readonly PickleValue[]): void {
  if (!(set instanceof Set)) throw new PickleRefusal("values are added to something that is no set")
  for (const value of values) set.add(requireKey(value))
}

/** @throws PickleRefusal for what cannot be a {@link PickleKey}. */
export function requireKey(value: PickleValue): PickleKey {
  if (typeof value === "object" && value !== null) throw new PickleRefusal("a key that is no number or text")
  return value
}

function call(machine: Machine): void {
  const args = machine.pop()
  const callee = machine.pop()
  if (!(callee instanceof PickleFunction)) throw new PickleRefusal("something is called that is no function")
  if (!Array.isArray(args)) throw new PickleRefusal("arguments that are no tuple")
  machine.push(callee.call(args))
}

function build(machine: Machine): void {
  const state = machine.pop()
  const target = machine.top()
  // Attributes of a dictionary, such as the _metadata of a state dict, say nothing about tensors.
  if (target instanceof Map) return
  if (!(target instanceof PickleObject)) throw new PickleRefusal("state is set on plain data")
  target.setState(state)
}

type Operation = (machine: Machine) => void

const code = (character: string): number => character.charCodeAt(0)

const operations: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  // Structure
  [0x80, m => void m.byte()], // PROTO
  [0x95, m => void m.uint64()], // FRAME
  [code("."), m => void (m.stopped = true)], // STOP
  [code("("), m => m.mark()],
  [code("0"), m => void m.pop()],
  [code("1"), m => void m.popToMark()], // POP_MARK
  [code("2"), m => m.push(m.top())], // DUP

  // Memo
  [code("q"), m => void m.memo.set(m.byte(), m.top())], // BINPUT
  [code("r"), m => void m.memo.set(m.uint32(), m.top())], // LONG_BINPUT
  [0x94, m => void m.memo.set(m.memo.size, m.top())], // MEMOIZE
  [code("h"), m => m.recall(m.byte())], // BINGET
  [code("j"), m => m.recall(m.uint32())], // LONG_BINGET

  // Numbers
  [code("N"), m => m.push(null)],
  [0x88, m => m.push(true)],
  [0x89, m => m.push(false)],
  [code("J"), m => m.push(m.int32())], // BININT
  [code("K"), m => m.push(m.byte())], // BININT1
  [code("M"), m => m.push(m.uint16())], // BININT2
  [0x8a, m => m.push(m.integer(m.byte()))], // LONG1
  [0x8b, m => m.push(m.integer(m.uint32()))], // LONG4
  [code("G"), m => m.push(m.float64())], // BINFLOAT

  // Text and bytes
  [0x8c, m => m.push(m.utf8(m.byte()))], // SHORT_BINUNICODE
  [code("X"), m => m.push(m.utf8(m.uint32()))], // BINUNICODE
  [0x8d, m => m.push(m.utf8(m.uint64()))], // BINUNICODE8
  [code("U"), m => m.push(m.latin1(m.byte()))], // SHORT_BINSTRING
  [code("T"), m => m.push(m.latin1(m.uint32()))], // BINSTRING
  [code("C"), m => m.push(m.bytes(m.byte()))], // SHORT_BINBYTES
  [code("B"), m => m.push(m.bytes(m.uint32()))], // BINBYTES
  [0x8e, m => m.push(m.bytes(m.uint64()))], // BINBYTES8

  // Containers
  [code(")"), m => m.push([])], // EMPTY_TUPLE
  [0x85, m => m.push(m.popMany(1))], // TUPLE1
  [0x86, m => m.push(m.popMany(2))], // TUPLE2
  [0x87, m => m.push(m.popMany(3))], // TUPLE3
  [code("t"), m => m.push(m.popToMark())], // TUPLE
  [code("]"), m => m.push([])], // EMPTY_LIST
  [code("l"), m => m.push(m.popToMark())], // LIST
  [
    code("a"), // APPEND
    m => {
      const value = m.pop()
      appendTo(m.top(), [value])
    },
  ],
  [
    code("e"), // APPENDS
    m => {
      const values = m.popToMark()
      appendTo(m.top(), values)
    },
  ],
  [code("}"), m => m.push(new Map())], // EMPTY_DICT
  [code("d"), m => m.push(dictionary(m.popToMark()))], // DICT
  [
    code("s"), // SETITEM
    m => {
      const items = m.popMany(2)
      setItems(m.top(), items)
    },
  ],
  [
    code("u"), // SETITEMS
    m => {
      const items = m.popToMark()
      setItems(m.top(), items)
    },
  ],
  [0x8f, m => m.push(new Set())], // EMPTY_SET
  [
    0x90, // ADDITEMS
    m => {
      const values = m.popToMark()
      addTo(m.top(), values)
    },
  ],
  [0x91, m => m.push(new Set(m.popToMark().map(requireKey)))], // FROZENSET

  // Names
  [code("c"), m => m.pushGlobal(m.line(), m.line())], // GLOBAL
  [
    0x93, // STACK_GLOBAL
    m => {
      const [module, name] = m.popMany(2)
      if (typeof module !== "string" || typeof name !== "string") {
        throw new PickleRefusal("a name that is no text")
      }
      m.pushGlobal(module, name)
    },
  ],
  [code("R"), call], // REDUCE
  [0x81, call], // NEWOBJ
  [code("b"), build],
  [code("Q"), m => m.push(m.names.persistent(m.pop()))], // BINPERSID
])
