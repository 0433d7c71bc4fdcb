import { readlink, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { clearCache } from "../../src/hub/clear-cache.ts"
import { openRepo } from "../../src/hub/open-repo.ts"
import { filesBelow, hideHubEnvironment, hubWithCache, someBytes, temporaryFolder } from "./hub-fixtures.ts"

hideHubEnvironment()

const weights = someBytes(300_000)
const files = { "config.json": "{}", "unet/weights.bin": weights }
const repos = { "org/model": { files }, "org/other": { files } }

describe("clearing Python's cache", () => {
  test("removes a repository and leaves the others", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    for (const id of ["org/model", "org/other"]) {
      const repo = await open(id)
      await repo.download(["config.json", "unet/weights.bin"])
      await repo.derivedFile("unet.v1.onnx").write(someBytes(1000))
    }
    const { bytes } = await clearCache("org/model", { cacheDir })
    expect(bytes).toBeGreaterThan(301_000)
    expect((await filesBelow(cacheDir)).filter(path => path.startsWith("models--org--model"))).toEqual([])
    await (await open("org/other", { localFilesOnly: true })).download(["unet/weights.bin"])
    expect(await clearCache("org/model", { cacheDir })).toEqual({ bytes: 0 })
  })

  test("removes a revision with the blobs that no other has", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const old = await open("org/model")
    await old.download(["config.json", "unet/weights.bin"])
    await old.derivedFile("unet.v1.onnx").write(someBytes(1000))
    server.commit("org/model", { ...files, "config.json": "new" })
    const repo = await open("org/model")
    await repo.download(["config.json", "unet/weights.bin"])

    const { bytes } = await clearCache("org/model", { cacheDir, revision: old.commit! })
    expect(bytes).toBeGreaterThanOrEqual(1002)
    expect(bytes).toBeLessThan(300_000)
    const folder = join(cacheDir, "models--org--model")
    const left = await filesBelow(folder)
    expect(left.filter(path => path.includes(old.commit!))).toEqual([])
    expect(left.filter(path => path.startsWith("blobs"))).toHaveLength(2)
    const pointer = join(folder, "snapshots", repo.commit!, "unet/weights.bin")
    expect(await readlink(pointer)).toMatch(/blobs/)
    expect((await stat(pointer)).size).toBe(300_000)

    await clearCache("org/model", { cacheDir, revision: "main" })
    expect(await filesBelow(cacheDir)).toEqual([])
    expect(await clearCache("org/model", { cacheDir, revision: "none" })).toEqual({ bytes: 0 })
  })

  test("without an id removes what was made here, and nothing that was downloaded", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    await repo.download(["unet/weights.bin"])
    await repo.derivedFile("unet.v1.onnx").write(someBytes(1000))
    const local = await temporaryFolder()
    await writeFile(join(local, "config.json"), "{}")
    await (await openRepo(local)).derivedFile("unet.v1.onnx").write(someBytes(1000))

    expect((await clearCache(undefined, { cacheDir })).bytes).toBeGreaterThan(2000)
    expect(await repo.derivedFile("unet.v1.onnx").open()).toBeUndefined()
    expect(await (await openRepo(local)).derivedFile("unet.v1.onnx").open()).toBeUndefined()
    expect(await filesBelow(local)).toEqual(["config.json"])
    await (await open("org/model", { localFilesOnly: true })).download(["unet/weights.bin"])
  })

  test("refuses what names no repository", async () => {
    for (const id of ["../x", "", "a/b/c"]) {
      await expect(clearCache(id)).rejects.toMatchObject({ code: "INVALID_ID" })
    }
  })
})
