import { describe, expect, it } from "vitest"
import { AbortError } from "../../src/errors.ts"
import { type ByteSource, blobSource, bytesSource } from "../../src/platform/byte-source.ts"
import { openWeights } from "../../src/weights/open-weights.ts"
import { parseShardIndex } from "../../src/weights/shard-index.ts"
import { failure, fixture, fixtureBytes } from "./fixtures.ts"

function textSource(name: string, text: string): ByteSource {
  return bytesSource(name, new TextEncoder().encode(text))
}

describe("openWeights", () => {
  it("reads from memory and from a blob alike", async () => {
    for (const name of ["types.safetensors", "state.bin", "state-legacy.bin"]) {
      const file = await openWeights(blobSource(name, new Blob([fixtureBytes(name)])))
      expect((await file.read("float32")).data).toEqual(Float32Array.from({ length: 24 }, (_, i) => i / 8))
    }
  })

  it("tells a pointer of git-lfs from weights", async () => {
    const pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
    const { code, message } = await failure(openWeights(textSource("model.bin", pointer)))
    expect([code, message]).toEqual(["LFS_POINTER", expect.stringContaining("git lfs pull")])
  })

  it.each<[string, string | Uint8Array<ArrayBuffer>, string]>([
    ["an empty file", "", "TRUNCATED"],
    ["a few bytes", "PK\x03\x04", "TRUNCATED"],
    ["text", "<!DOCTYPE html><html>", "FORMAT_UNKNOWN"],
    [
      "a pickle of something else",
      Uint8Array.from(Buffer.from("\x80\x04K\x01K\x02\x86\x94.", "latin1")),
      "FORMAT_UNKNOWN",
    ],
    ["other JSON", '{ "_class_name": "UNet2DModel" }', "MALFORMED"],
    ["broken JSON", '{ "weight_map": ', "MALFORMED"],
  ])("refuses %s", async (_, content, code) => {
    const source = typeof content === "string" ? textSource("x", content) : bytesSource("x", content)
    expect((await failure(openWeights(source))).code).toBe(code)
  })

  it("stops when it is aborted", async () => {
    const signal = AbortSignal.abort()
    await expect(openWeights(fixture("state.bin"), { signal })).rejects.toThrow(AbortError)
    const file = await openWeights(fixture("state.bin"))
    await expect(file.read("float32", signal)).rejects.toThrow(AbortError)
  })
})

describe("sharded weights", () => {
  const index = (weightMap: object) =>
    textSource("index.json", JSON.stringify({ metadata: { total_size: 8 }, weight_map: weightMap }, null, 2))

  /** Opens fixtures as shards and counts what is still open. */
  function shards() {
    let open = 0
    const openShard = async (name: string): Promise<ByteSource> => {
      open++
      let closed = false
      const close = async () => {
        if (!closed) open--
        closed = true
      }
      return { ...fixture(name), close }
    }
    return { openShard, stillOpen: () => open }
  }

  it("are one file to the reader", async () => {
    const { openShard, stillOpen } = shards()
    const weightMap = {
      a: "no-metadata.safetensors",
      float32: "types.safetensors",
      bool: "types.safetensors",
    }
    const file = await openWeights(index(weightMap), { openShard })
    expect([...file.tensors.keys()]).toEqual(["a", "float32", "bool"])
    expect(file.tensors.get("float32")).toMatchObject({ dtype: "float32", shape: [2, 3, 4] })
    expect((await file.read("a")).data).toEqual(Float32Array.of(1, 1))
    expect((await file.read("bool")).data).toEqual(Uint8Array.of(1, 0, 1))
    expect(stillOpen()).toBe(2)
    await file.close()
    expect(stillOpen()).toBe(0)
  })

  it("may be PyTorch files", async () => {
    const { openShard } = shards()
    const file = await openWeights(index({ float32: "state.bin", row: "state-legacy.bin" }), { openShard })
    expect(file.format).toBe("torch")
    expect((await file.read("row")).data).toEqual(Float32Array.of(4, 5, 6, 7))
  })

  it.each<[string, object, string]>([
    ["names a tensor that the shard lacks", { b: "no-metadata.safetensors" }, "MALFORMED"],
    ["names a file that is no shard", { b: "make.py" }, "FORMAT_UNKNOWN"],
    ["names a folder", { b: "folder/shard.safetensors" }, "UNSAFE_PATH"],
    ["leads out of the folder", { b: "..\\shard.safetensors" }, "UNSAFE_PATH"],
    ["leads to the folder above", { b: ".." }, "UNSAFE_PATH"],
    ["leads to another drive", { b: "C:shard" }, "UNSAFE_PATH"],
    ["names nothing", { b: "" }, "UNSAFE_PATH"],
    ["has numbers for names", { b: 5 }, "MALFORMED"],
    ["is empty", {}, "MALFORMED"],
  ])("are refused when the index %s", async (_, weightMap, code) => {
    const { openShard, stillOpen } = shards()
    const good = Object.keys(weightMap).length === 0 ? {} : { a: "no-metadata.safetensors" }
    expect(await failure(openWeights(index({ ...good, ...weightMap }), { openShard }))).toMatchObject({
      code,
    })
    expect(stillOpen()).toBe(0)
  })

  it("need somebody who opens them", async () => {
    expect((await failure(openWeights(index({ a: "x" })))).code).toBe("UNSUPPORTED")
  })

  it("are listed once each", () => {
    const text = JSON.stringify({ weight_map: { a: "1.bin", b: "2.bin", c: "1.bin" } })
    expect(parseShardIndex("index.json", text).shards).toEqual(["1.bin", "2.bin"])
  })
})
