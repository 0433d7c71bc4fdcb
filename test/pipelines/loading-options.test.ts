import { readFile } from "node:fs/promises"
import { describe, expect, it, vi } from "vitest"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { DDPMPipeline } from "../../src/pipelines/ddpm.ts"
import { DiffusionPipeline, type PipelineOptions } from "../../src/pipelines/diffusion-pipeline.ts"
import { hideHubEnvironment, temporaryFolder as hubFolder, temporaryHub } from "../hub/hub-fixtures.ts"
import { plainJson, temporaryFolder, writeModel } from "./tiny-model.ts"

hideHubEnvironment()

const ddpm = { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }

async function modelFolder(): ReturnType<typeof temporaryFolder> {
  const folder = await temporaryFolder()
  await writeModel(folder.path, ddpm)
  return folder
}

describe("what concerned the loading alone", () => {
  it("doesn't touch a folder's model later", async () => {
    await using folder = await modelFolder()
    await using target = await temporaryFolder()
    const controller = new AbortController()
    const options = { worker: false, signal: controller.signal }
    await using pipe = await DiffusionPipeline.fromPretrained(folder.path, options)
    controller.abort()
    await pipe.savePretrained(target.path)
    await pipe.unet.to("cpu")
    await expect(pipe.unet.to("cpu", { signal: controller.signal })).rejects.toMatchObject({
      code: "ABORTED",
    })
  })

  it("doesn't touch a Hub model later: no abort, no progress, no second download or conversion", async () => {
    const files = {
      "model_index.json": JSON.stringify({
        _class_name: "DDPMPipeline",
        scheduler: ["diffusers", "DDPMScheduler"],
        unet: ["diffusers", "UNet2DModel"],
      }),
      "scheduler_config.json": JSON.stringify({ _class_name: "DDPMScheduler" }),
      "config.json": JSON.stringify(plainJson),
      "diffusion_pytorch_model.bin": await readFile("test/fixtures/pipelines/plain.bin"),
    }
    const server = await temporaryHub({ repos: { "org/model": { files } } })
    const controller = new AbortController()
    const onProgress = vi.fn()
    const options: PipelineOptions = {
      endpoint: server.url,
      cacheDir: await hubFolder(),
      worker: false,
      forceDownload: true,
      signal: controller.signal,
      onProgress,
    }
    await using pipe = await DiffusionPipeline.fromPretrained("org/model", options)
    controller.abort()
    const [events, requests] = [onProgress.mock.calls.length, server.requests.length]
    await pipe.unet.to("cpu")
    await pipe.savePretrained(await hubFolder())
    expect(onProgress.mock.calls.length).toBe(events)
    expect(server.requests.length).toBe(requests)
  })
})

it("doesn't take a scheduler whose numbers mean something else", async () => {
  const load = DDPMPipeline.fromPretrained("models/ncsnpp-emoji-32", { worker: false })
  await expect(load).rejects.toMatchObject({
    code: "COMPONENT_TYPE",
    hint: expect.stringContaining("DiffusionPipeline.fromPretrained"),
  })
})

it("says what is missing beside a lone graph", async () => {
  await using folder = await temporaryFolder()
  await writeModel(folder.path, ddpm, { "unet/config.json": null, "unet/model.onnx": "graph" })
  const error = { code: "ENTRY_NOT_FOUND", hint: expect.stringContaining("config.json") }
  await expect(DiffusionPipeline.fromPretrained(folder.path)).rejects.toMatchObject({
    ...error,
    message: expect.stringContaining("unet/model.onnx alone"),
  })
  await using bare = await temporaryFolder()
  await writeModel(bare.path, ddpm, { "model_index.json": null })
  await expect(DiffusionPipeline.fromPretrained(bare.path)).rejects.toMatchObject(error)
})

it("refuses an unknown dtype, and warns of a folder's revision once", async () => {
  await using folder = await modelFolder()
  const options = { dtype: "int8" as "fp16" }
  for (const load of [
    DiffusionPipeline.fromPretrained(folder.path, options),
    UNet2DModel.fromPretrained(folder.path, options),
  ]) {
    await expect(load).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("fp32, fp16"),
    })
  }
  const warnings: string[] = []
  await using _ = await DiffusionPipeline.fromPretrained(folder.path, {
    worker: false,
    revision: "v1",
    onWarning: message => warnings.push(message),
  })
  expect(warnings).toEqual([expect.stringContaining('"v1"')])
})

it("keeps the index's further entries through the constructor", async () => {
  await using folder = await temporaryFolder()
  const index = {
    _class_name: "DDPMPipeline",
    scheduler: ["diffusers", "DDPMScheduler"],
    unet: ["diffusers", "UNet2DModel"],
    note: 3,
  }
  await writeModel(folder.path, ddpm, { "model_index.json": index })
  await using pipe = await DiffusionPipeline.fromPretrained(folder.path, { worker: false })
  expect(pipe.scalars).toHaveProperty("note")
})
