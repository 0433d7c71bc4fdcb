import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bytesSource } from "../../src/platform/byte-source.ts"
import { openWeights } from "../../src/weights/open-weights.ts"
import { openSafetensors } from "../../src/weights/safetensors-file.ts"
import { type TensorToWrite, writeSafetensors } from "../../src/weights/safetensors-writer.ts"
import type { WeightsFile } from "../../src/weights/weights-file.ts"
import { damaged } from "./damaged.ts"
import { expectedTensors, failure, fixture, fixtureBytes, shownValues } from "./fixtures.ts"

/** A file with this header, as JSON text or as an object, and so many bytes of data. */
function safetensors(header: string | object, dataBytes = 0, announced?: bigint): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, announced ?? BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}

function open(bytes: Uint8Array<ArrayBuffer>): Promise<WeightsFile> {
  return openSafetensors(bytesSource("x.safetensors", bytes))
}

const tensor = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
})

function toWrite(file: WeightsFile): TensorToWrite[] {
  return [...file.tensors.values()].map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    read: signal => file.read(name, signal),
  }))
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = []
  for await (const piece of pieces) collected.push(piece)
  return Buffer.concat(collected)
}

describe("reading safetensors", () => {
  it("reads every element type as Python wrote it", async () => {
    const file = await openWeights(fixture("types.safetensors"))
    expect(file).toMatchObject({
      format: "safetensors",
      metadata: { format: "pt" },
      name: "types.safetensors",
    })
    for (const name of file.tensors.keys()) {
      const expected = expectedTensors.get(name)
      if (!expected) continue
      const read = await file.read(name)
      expect([name, read.dtype, read.shape]).toEqual([name, expected.dtype, expected.shape])
      if (read.dtype === "float16" || read.dtype === "bfloat16") {
        const values = new Float32Array(read.data.length)
        await file.readFloat32Into(name, values)
        expect([...values]).toEqual(expected.values)
      } else {
        expect(shownValues(read)).toEqual(expected.values)
      }
    }
    expect(file.tensors.size).toBe(16)
    await file.close()
  })

  it("rounds float64 when float32 is asked for, and refuses integers", async () => {
    const file = await openWeights(fixture("types.safetensors"))
    const values = new Float32Array(2)
    await file.readFloat32Into("float64", values)
    expect([...values]).toEqual([Math.fround(1 / 3), Number.NEGATIVE_INFINITY])
    expect(await failure(file.readFloat32Into("int32", values))).toMatchObject({ code: "UNSUPPORTED" })
    await expect(file.readFloat32Into("float32", values)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
  })

  it("names a tensor that is not there", async () => {
    const file = await openWeights(fixture("no-metadata.safetensors"))
    expect(file.metadata).toEqual({})
    const { code, message } = await failure(file.read("b"))
    expect([code, message]).toEqual(["TENSOR_UNKNOWN", 'no-metadata.safetensors holds no tensor "b".'])
  })

  it.each<[string, Uint8Array<ArrayBuffer>, string, RegExp]>([
    [
      "a header larger than the file",
      safetensors({}, 0, 1000n),
      "TRUNCATED",
      /ends at byte 1008, the file at 10/,
    ],
    ["a header beyond the bound", safetensors({}, 0, 2n ** 63n), "TOO_LARGE", /at most 100000000/],
    ["no header", new Uint8Array(7), "TRUNCATED", /7 bytes/],
    ["a header that is not JSON", safetensors("{nonsense"), "MALFORMED", /not JSON/],
    ["a header that is no object", safetensors("[]"), "MALFORMED", /object/],
    ["nesting without end", safetensors("[".repeat(200_000)), "MALFORMED", /not JSON/],
    [
      "overlapping tensors",
      safetensors({ a: tensor(0, 8), b: tensor(4, 12) }, 12),
      "MALFORMED",
      /"b" overlaps/,
    ],
    [
      "two tensors in one place",
      safetensors({ a: tensor(0, 8), b: tensor(0, 8) }, 8),
      "MALFORMED",
      /"b" overlaps/,
    ],
    [
      "a gap",
      safetensors({ a: tensor(0, 4), b: tensor(8, 12) }, 12),
      "MALFORMED",
      /gap before the tensor "b"/,
    ],
    ["a gap at the start", safetensors({ a: tensor(4, 8) }, 8), "MALFORMED", /gap before the tensor "a"/],
    ["tensors beyond the file", safetensors({ a: tensor(0, 8) }, 7), "TRUNCATED", /tensors end at byte/],
    ["bytes after the tensors", safetensors({ a: tensor(0, 8) }, 9), "MALFORMED", /1 bytes follow/],
    [
      "a shape that does not fit",
      safetensors({ a: tensor(0, 8, [3]) }, 8),
      "MALFORMED",
      /takes 12 bytes, .* span 8/,
    ],
    ["a negative size", safetensors({ a: tensor(0, 8, [-2]) }, 8), "MALFORMED", /shape/],
    ["a fractional size", safetensors({ a: tensor(0, 6) }, 6), "MALFORMED", /shape/],
    ["offsets that run backwards", safetensors({ a: tensor(8, 0, [0]) }, 8), "MALFORMED", /span -8/],
    ["a huge shape", safetensors({ a: tensor(0, 0, [2 ** 50, 2 ** 50]) }), "MALFORMED", /takes .* bytes/],
    [
      "a tensor without a type",
      safetensors({ a: { shape: [], data_offsets: [0, 0] } }),
      "MALFORMED",
      /dtype/,
    ],
    [
      "a type that is not read",
      safetensors({ a: { ...tensor(0, 4), dtype: "F8_E4M3" } }, 4),
      "UNSUPPORTED",
      /F8_E4M3/,
    ],
    ["metadata that are not text", safetensors({ __metadata__: { a: 1 } }), "MALFORMED", /__metadata__/],
    [
      "a name twice",
      safetensors(`{"a":${JSON.stringify(tensor(0, 4))},"a":${JSON.stringify(tensor(4, 8))}}`, 8),
      "MALFORMED",
      /"a" occurs twice/,
    ],
  ])("refuses %s", async (_, bytes, code, pattern) => {
    const found = await failure(open(bytes))
    expect(found).toEqual({ code, message: expect.stringMatching(pattern) })
  })

  it("survives any damage to the header with a typed error or a sound file", async () => {
    await fc.assert(
      fc.asyncProperty(damaged(fixtureBytes("types.safetensors")), async bytes => {
        const file = await open(bytes).catch(error => {
          expect(error.name).toBe("WeightsError")
        })
        for (const name of file?.tensors.keys() ?? []) await file?.read(name)
      }),
      { numRuns: 500 },
    )
  })
})

describe("writing safetensors", () => {
  it.each(["types.safetensors", "no-metadata.safetensors"])("gives the bytes of Python: %s", async name => {
    const file = await openWeights(fixture(name))
    const written = await collect(writeSafetensors(toWrite(file).reverse(), file.metadata))
    expect(written.equals(fixtureBytes(name))).toBe(true)
  })

  it("gives the bytes of Diffusers for the model that ships", async () => {
    const path = "models/ncsnpp-emoji-32/unet/diffusion_pytorch_model.safetensors"
    const original = readFileSync(new URL(`../../${path}`, import.meta.url))
    const file = await openWeights(bytesSource(path, original))
    const written = await collect(writeSafetensors(toWrite(file), { format: "pt" }))
    expect(written.equals(original)).toBe(true)
  })

  it("keeps names that look like numbers in the order of text", async () => {
    const names = ["10", "9", "__proto__", "b", "a"]
    const tensors = names.map<TensorToWrite>(name => ({
      name,
      dtype: "uint8",
      shape: [1],
      read: () => ({ dtype: "uint8", shape: [1], data: Uint8Array.of(name.length) }),
    }))
    const bytes = await collect(writeSafetensors(tensors))
    const file = await openWeights(bytesSource("x", bytes))
    const placed = bytes.subarray(-5)
    expect([...placed]).toEqual([2, 1, 9, 1, 1])
    expect(await file.read("__proto__")).toMatchObject({ data: Uint8Array.of(9) })
  })

  it("reads one tensor at a time", async () => {
    const open: string[] = []
    const tensors = ["a", "b"].map<TensorToWrite>(name => ({
      name,
      dtype: "float32",
      shape: [1],
      read: async () => {
        open.push(name)
        return { dtype: "float32", shape: [1], data: new Float32Array(1) }
      },
    }))
    const pieces = writeSafetensors(tensors)
    await pieces.next()
    expect(open).toEqual([])
    await pieces.next()
    expect(open).toEqual(["a"])
  })

  it.each([
    ["a name twice", ["a", "a"]],
    ["the name of the metadata", ["__metadata__"]],
  ])("refuses %s", async (_, names) => {
    const tensors = names.map<TensorToWrite>(name => ({
      name,
      dtype: "bool",
      shape: [0],
      read: () => ({ dtype: "bool", shape: [0], data: new Uint8Array() }),
    }))
    expect(await failure(collect(writeSafetensors(tensors)))).toMatchObject({ code: "MALFORMED" })
  })

  it("refuses a tensor that is not what was announced", async () => {
    const written = writeSafetensors([
      {
        name: "a",
        dtype: "float32",
        shape: [2],
        read: () => ({ dtype: "float32", shape: [3], data: new Float32Array(3) }),
      },
    ])
    expect(await failure(collect(written))).toEqual({
      code: "MALFORMED",
      message: 'The tensor "a" was announced as float32 of shape [2], but is float32 of shape [3].',
    })
  })
})
