import { readFileSync } from "node:fs"
import fc from "fast-check"
import { unzipSync, zipSync } from "fflate"
import { describe, expect, it } from "vitest"
import { ArrayFileError } from "../../src/arrays/errors.ts"
import { readNpy, writeNpy } from "../../src/arrays/npy.ts"
import { readNpz, writeNpz } from "../../src/arrays/npz.ts"
import type { Tensor } from "../../src/tensor.ts"
import { float16ToFloat32 } from "../../src/weights/half.ts"
import { damaged } from "../weights/damaged.ts"

function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../fixtures/arrays/${name}`, import.meta.url)))
}

function read(name: string): Tensor {
  return readNpy(fixture(name), name)
}

/** The arrays of make.py: 0, 1, 2, … as `value` says. */
function counting<T>(value: (i: number) => T): T[] {
  return Array.from({ length: 24 }, (_, i) => value(i))
}

function refusal(work: () => unknown): { code: string; message: string } {
  try {
    work()
  } catch (error) {
    if (error instanceof ArrayFileError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error("It was not refused.")
}

/** A version 1 file with this header and so many bytes of zeros. */
function npy(header: string, dataBytes = 0): Uint8Array<ArrayBuffer> {
  const text = `\x93NUMPY\x01\x00${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`
  const bytes = new Uint8Array(text.length + dataBytes)
  bytes.set(Buffer.from(text, "latin1"))
  return bytes
}

const plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"

describe("npy", () => {
  it.each<[string, string, (number | bigint)[]]>([
    ["f4", "float32", counting(i => i / 8)],
    ["f8", "float64", counting(i => i / 8)],
    ["i8", "int64", counting(i => BigInt(i) - 2n ** 40n)],
    ["i4", "int32", counting(i => i)],
    ["i2", "int16", counting(i => i)],
    ["i1", "int8", counting(i => i)],
    ["u1", "uint8", counting(i => i)],
    ["b1", "bool", counting(i => i % 2)],
    ["fortran", "float32", counting(i => i / 8)],
    ["big-endian", "float32", counting(i => i / 8)],
    ["version-2", "float32", counting(i => i / 8)],
    ["version-3", "float32", counting(i => i / 8)],
  ])("reads what NumPy wrote: %s", (name, dtype, values) => {
    const tensor = read(`${name}.npy`)
    expect([tensor.dtype, tensor.shape, [...tensor.data]]).toEqual([dtype, [2, 3, 4], values])
  })

  it("reads halves as their bits", () => {
    const { dtype, data } = read("f2.npy")
    expect(dtype).toBe("float16")
    expect([...float16ToFloat32(data as Uint16Array)]).toEqual(counting(i => i / 8))
  })

  it("reads scalars and empty arrays", () => {
    expect(read("scalar.npy")).toEqual({ dtype: "float32", shape: [], data: Float32Array.of(7.25) })
    expect(read("empty.npy")).toEqual({ dtype: "float32", shape: [0, 3], data: new Float32Array() })
  })

  it.each(["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u1", "b1", "scalar", "vector", "empty", "long"])(
    "writes the bytes of NumPy: %s",
    name => {
      expect(writeNpy(read(`${name}.npy`))).toEqual(fixture(`${name}.npy`))
    },
  )

  it("copies the bytes, whatever their alignment", () => {
    const shifted = new Uint8Array(225)
    shifted.set(fixture("f4.npy"), 1)
    const tensor = readNpy(shifted.subarray(1), "x")
    shifted.fill(0)
    expect(tensor.data[23]).toBe(23 / 8)
  })

  it("reads any shape in Fortran order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), shape => {
        const count = shape.reduce((product, size) => product * size, 1)
        const sizes = shape.map(size => `${size},`).join("")
        const bytes = npy(`{'descr': '|u1', 'fortran_order': True, 'shape': (${sizes}), }\n`, count)
        for (let i = 0; i < count; i++) bytes[bytes.length - count + i] = i
        const { data } = readNpy(bytes, "x")
        // The position in the file of the element at each row-major position.
        const expected = Array.from({ length: count }, (_, position) => {
          let rest = position
          const index = shape.map(() => 0)
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            index[axis] = rest % shape[axis]!
            rest = Math.floor(rest / shape[axis]!)
          }
          let place = 0
          for (let axis = shape.length - 1; axis >= 0; axis--) place = place * shape[axis]! + index[axis]!
          return place
        })
        expect([...data]).toEqual(expected)
      }),
    )
  })

  it.each([
    ["objects.npy", /\|O/],
    ["text.npy", /<U1/],
    ["unsigned.npy", /<u4/],
    ["fields.npy", /\[\('a'/],
  ])("refuses %s by its type", (name, message) => {
    expect(refusal(() => read(name))).toEqual({
      code: "UNSUPPORTED",
      message: expect.stringMatching(message),
    })
  })

  it.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ["another file", new Uint8Array(Buffer.from("PK\x03\x04 something")), "FORMAT_UNKNOWN"],
    ["nothing", new Uint8Array(), "FORMAT_UNKNOWN"],
    ["a bare magic", fixture("f4.npy").slice(0, 6), "TRUNCATED"],
    ["a cut header", fixture("f4.npy").slice(0, 100), "TRUNCATED"],
    ["cut data", fixture("f4.npy").slice(0, 223), "TRUNCATED"],
    ["bytes after the data", npy(plain, 9), "MALFORMED"],
    ["another version", Uint8Array.from(fixture("f4.npy"), (byte, i) => (i === 6 ? 4 : byte)), "UNSUPPORTED"],
    [
      "a huge header",
      Uint8Array.from(Buffer.from("\x93NUMPY\x02\x00\xff\xff\xff\x7f{}", "latin1")),
      "TOO_LARGE",
    ],
    ["a huge shape", npy(plain.replace("2,", "99999999999, 99999999999"), 8), "TRUNCATED"],
    ["a size beyond integers", npy(plain.replace("2,", "99999999999999999999"), 8), "MALFORMED"],
    ["a negative size", npy(plain.replace("2,", "-2,"), 8), "MALFORMED"],
    ["no shape", npy("{'descr': '<f4', 'fortran_order': False, }\n"), "MALFORMED"],
    ["a shape that is a number", npy(plain.replace("(2,)", "2"), 8), "MALFORMED"],
    ["another key", npy(plain.replace("'shape'", "'other': True, 'shape'"), 8), "MALFORMED"],
    ["a key twice", npy(plain.replace("'shape'", "'descr': '<f4', 'shape'"), 8), "MALFORMED"],
    ["an order that is text", npy(plain.replace("False", "'False'"), 8), "MALFORMED"],
    ["an expression", npy(plain.replace("(2,)", "__import__('os').system('ls')"), 8), "MALFORMED"],
    ["no dictionary", npy("['descr']\n", 8), "MALFORMED"],
  ])("refuses %s", (_, bytes, code) => {
    expect(refusal(() => readNpy(bytes, "x.npy")).code).toBe(code)
  })

  it("has no bfloat16", () => {
    const tensor = { dtype: "bfloat16", shape: [1], data: new Uint16Array(1) } as const
    expect(refusal(() => writeNpy(tensor)).code).toBe("UNSUPPORTED")
  })
})

describe("npz", () => {
  const x = read("f4.npy")
  const t = read("vector.npy")

  it.each(["stored.npz", "compressed.npz"])("reads what NumPy wrote: %s", async name => {
    expect(await readNpz(fixture(name), name)).toEqual(
      new Map([
        ["x", x],
        ["t", t],
      ]),
    )
  })

  it.each([false, true])("writes what it reads, the same bytes each time (compress: %s)", async compress => {
    const arrays = new Map<string, Tensor>([
      ["x", x],
      ["model.weight", t],
    ])
    const bytes = await writeNpz(arrays, { compress })
    expect(await readNpz(bytes, "x")).toEqual(arrays)
    expect(await writeNpz(arrays, { compress })).toEqual(bytes)
  })

  it("leaves out what is no array", async () => {
    const bytes = zipSync({ "x.npy": fixture("f4.npy"), "README.txt": new Uint8Array(3) })
    expect([...(await readNpz(bytes, "x")).keys()]).toEqual(["x"])
  })

  it("names the array that is broken", async () => {
    const bytes = zipSync({ "x.npy": fixture("objects.npy") })
    await expect(readNpz(bytes, "f.npz")).rejects.toMatchObject({
      message: expect.stringMatching(/^x.npy in f.npz/),
    })
  })

  it("stops at the bound and at sizes that cannot be", async () => {
    const bomb = zipSync({ "x.npy": new Uint8Array(2 ** 22) })
    await expect(readNpz(bomb, "x", { maxBytes: 2 ** 22 - 1 })).rejects.toMatchObject({ code: "TOO_LARGE" })
    const directory = bomb.findLastIndex((_, i) => bomb[i] === 0x50 && bomb[i + 2] === 1)
    new DataView(bomb.buffer).setUint32(directory + 24, 2 ** 31 - 1, true)
    await expect(readNpz(bomb, "x")).rejects.toMatchObject({ code: "MALFORMED" })
  })

  it("refuses a cut file anywhere", async () => {
    const whole = fixture("compressed.npz")
    for (let length = 0; length < whole.length; length += 7) {
      await expect(readNpz(whole.slice(0, length), "x")).rejects.toMatchObject({ code: "FORMAT_UNKNOWN" })
    }
  })

  it("survives any damage with a typed error or arrays", async () => {
    await fc.assert(
      fc.asyncProperty(damaged(fixture("compressed.npz")), async bytes => {
        try {
          await readNpz(bytes, "x", { maxBytes: 2 ** 20 })
        } catch (error) {
          expect(error).toBeInstanceOf(ArrayFileError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it("is a plain zip of npy files", async () => {
    expect(Object.keys(unzipSync(await writeNpz(new Map([["x", x]]))))).toEqual(["x.npy"])
  })
})
