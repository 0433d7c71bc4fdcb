import { describe, expect, it } from "vitest"
import { firstNonFinite, requireFinite } from "../../src/weights/finite.ts"
import { matchTensors, requireMatch } from "../../src/weights/match-tensors.ts"
import { migrateKeys } from "../../src/weights/migrate-keys.ts"
import { failure } from "./fixtures.ts"
import { floats, memoryFile } from "./memory-file.ts"

describe("migrateKeys", () => {
  it("gives attention layers their names of today", async () => {
    const attention = "down_blocks.6.attentions.0"
    const file = migrateKeys(
      memoryFile({
        [`${attention}.group_norm.weight`]: floats([4]),
        [`${attention}.query.weight`]: floats([2, 2]),
        [`${attention}.key.bias`]: floats([2]),
        [`${attention}.value.weight`]: floats([2, 2, 1, 1]),
        "mid_block.attentions.0.proj_attn.weight": floats([2, 2, 1]),
        "mid_block.attentions.0.proj_attn.bias": floats([2]),
        "mid_block.resnets.0.conv1.weight": floats([2, 2, 1, 1]),
        "mid_block.value.weight": floats([2, 2, 1, 1]),
      }),
    )
    expect(Array.from(file.tensors.values(), ({ name, shape }) => [name, shape])).toEqual([
      [`${attention}.group_norm.weight`, [4]],
      [`${attention}.to_q.weight`, [2, 2]],
      [`${attention}.to_k.bias`, [2]],
      [`${attention}.to_v.weight`, [2, 2]],
      ["mid_block.attentions.0.to_out.0.weight", [2, 2]],
      ["mid_block.attentions.0.to_out.0.bias", [2]],
      ["mid_block.resnets.0.conv1.weight", [2, 2, 1, 1]],
      ["mid_block.value.weight", [2, 2, 1, 1]],
    ])
    expect(await file.read(`${attention}.to_v.weight`)).toEqual(floats([2, 2]))
    const bias = new Float32Array(2)
    await file.readFloat32Into("mid_block.attentions.0.to_out.0.bias", bias)
    expect([...bias]).toEqual([0, 1])
  })

  it("drops the second copy of the Fourier frequencies, and takes it where it is the only one", async () => {
    const both = migrateKeys(
      memoryFile({ "time_proj.W": floats([2], [1, 1]), "time_proj.weight": floats([2], [5, 5]) }),
    )
    expect([...both.tensors.keys()]).toEqual(["time_proj.weight"])
    expect(await both.read("time_proj.weight")).toEqual(floats([2], [5, 5]))
    const old = migrateKeys(memoryFile({ "time_proj.W": floats([2], [1, 2]) }))
    expect(await old.read("time_proj.weight")).toEqual(floats([2], [1, 2]))
  })

  it("never replaces a tensor that has today's name", async () => {
    const names = ["mid_block.attentions.0.to_q.weight", "mid_block.attentions.0.query.weight"]
    const [today, old] = names as [string, string]
    const file = migrateKeys(memoryFile({ [old]: floats([1], [1]), [today]: floats([1], [2]) }))
    expect([...file.tensors.keys()].sort()).toEqual([old, today].sort())
    expect(await file.read(today)).toEqual(floats([1], [2]))
  })
})

describe("matchTensors", () => {
  const file = memoryFile({ a: floats([2]), b: floats([2, 2]), extra: floats([1]) })

  it("lists what is missing, unexpected and misshapen", () => {
    const expected = new Map([
      ["z", [1]],
      ["a", [2]],
      ["b", [4]],
      ["y", []],
    ])
    expect(matchTensors(expected, file)).toEqual({
      missing: ["z", "y"],
      unexpected: ["extra"],
      misshapen: [{ name: "b", expected: [4], found: [2, 2] }],
    })
  })

  it("accepts a file with more than the model needs", () => {
    requireMatch("x", matchTensors(new Map([["a", [2]]]), file))
  })

  it("makes errors of the rest, naming the first tensors", async () => {
    const many = new Map(Array.from({ length: 8 }, (_, i) => [`t${i}`, [1]]))
    const missing = failure(Promise.resolve().then(() => requireMatch("x.bin", matchTensors(many, file))))
    expect(await missing).toEqual({
      code: "TENSOR_MISSING",
      message: expect.stringContaining('x.bin lacks "t0", "t1", "t2", "t3", "t4" and 3 more.'),
    })
    const wrong = new Map([["b", [2, 3]]])
    const misshapen = failure(Promise.resolve().then(() => requireMatch("x.bin", matchTensors(wrong, file))))
    expect(await misshapen).toEqual({
      code: "TENSOR_MISSHAPEN",
      message: expect.stringContaining('"b" is [2, 2], not [2, 3]'),
    })
  })
})

describe("finite checks", () => {
  it("find the first value that is not finite", () => {
    expect(firstNonFinite(Float32Array.of(0, -0, 3.4e38, 1e-45))).toBe(-1)
    expect(firstNonFinite(Float32Array.of(0, Number.NaN, Number.POSITIVE_INFINITY))).toBe(1)
    expect(firstNonFinite(Float32Array.of(Number.NEGATIVE_INFINITY))).toBe(0)
  })

  it("name the tensor, the value and its place", () => {
    expect(() => requireFinite("conv_in.bias", Float32Array.of(1, Number.NaN))).toThrow(
      /"conv_in.bias" holds NaN at element 1 of 2/,
    )
  })
})
