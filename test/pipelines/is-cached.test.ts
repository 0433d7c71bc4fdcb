import { rm } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { isCached } from "../../src/pipelines/is-cached.ts"
import {
  filesBelow,
  hideHubEnvironment,
  hubWithCache,
  someBytes,
  temporaryFolder,
} from "../hub/hub-fixtures.ts"

hideHubEnvironment()

const shard = (i: number) => `unet/diffusion_pytorch_model-0000${i}-of-00002.safetensors`
const common = {
  "model_index.json": "{}",
  "scheduler/scheduler_config.json": "{}",
  "unet/config.json": "{}",
  "unet/diffusion_pytorch_model.bin": someBytes(1000),
}
const sharded = {
  "unet/diffusion_pytorch_model.safetensors.index.json": JSON.stringify({
    metadata: {},
    weight_map: { a: shard(1).slice(5), b: shard(2).slice(5) },
  }),
  [shard(1)]: someBytes(1000),
  [shard(2)]: someBytes(2000),
}
const repos = { "org/plain": { files: common }, "org/sharded": { files: { ...common, ...sharded } } }

describe("isCached", () => {
  it("is true once all is here that loading reads, and asks nobody", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const options = { cacheDir, endpoint: server.url }
    expect(await isCached("org/plain", options)).toBe(false)
    const repo = await open("org/plain")
    await repo.download(["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"])
    expect(await isCached("org/plain", options)).toBe(false)
    await repo.download(["unet/diffusion_pytorch_model.bin"])
    server.reset()
    expect(await isCached("org/plain", options)).toBe(true)
    expect(await isCached("org/plain", { ...options, subfolder: "unet" })).toBe(true)
    expect(await isCached("org/plain", { ...options, variant: "fp16" })).toBe(false)
    expect(await isCached("org/plain", { ...options, revision: "other" })).toBe(false)
    expect(server.requests).toEqual([])
  })

  it("goes by the files that loading would choose, and by all of the shards", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const options = { cacheDir, endpoint: server.url }
    const repo = await open("org/sharded")
    await repo.download(Object.keys(common))
    expect(await isCached("org/sharded", options)).toBe(false)
    expect(await isCached("org/sharded", { ...options, useSafetensors: false })).toBe(true)
    await repo.download(Object.keys(sharded).slice(0, 2))
    expect(await isCached("org/sharded", options)).toBe(false)
    // As in a cache that Python wrote, which has no listing.
    const trees = (await filesBelow(cacheDir)).filter(path => path.includes("trees"))
    for (const path of trees) await rm(join(cacheDir, path))
    expect(await isCached("org/sharded", options)).toBe(false)
    await repo.download(Object.keys(sharded))
    expect(await isCached("org/sharded", options)).toBe(true)
  })

  it("is true of folders", async () => {
    expect(await isCached("models/ncsnpp-emoji-32")).toBe(true)
    expect(await isCached([new File(["{}"], "config.json")])).toBe(true)
    await expect(isCached(join(await temporaryFolder(), "none"))).rejects.toMatchObject({
      code: "LOCAL_NOT_FOUND",
    })
  })
})
