import { readdir, readFile, truncate } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, describe, expect, it, vi } from "vitest"
import { createConfig } from "../../src/config/config.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import { fillWeights, weightLayout } from "../../src/graph/weight-layout.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { inferenceGraph } from "../../src/models/conversion.ts"
import { unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { DiffusionPipeline, type PipelineOptions } from "../../src/pipelines/diffusion-pipeline.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import fixture from "../fixtures/pipelines/pipelines.json" with { type: "json" }
import { filesBelow, hideHubEnvironment, temporaryFolder, temporaryHub } from "../hub/hub-fixtures.ts"
import type { HubServer, HubServerOptions } from "../hub-server/hub-server.ts"
import { formulaWeights } from "../models/formula-weights.ts"
import { flatModelFiles, formulaSafetensors, plainConfig } from "./tiny-model.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

// As google/ddpm-cifar10-32 is: everything at the root, PyTorch weights with the names of old.
const files = {
  ...flatModelFiles,
  "diffusion_pytorch_model.bin": await readFile("test/fixtures/pipelines/plain.bin"),
}
const repos = { "google/ddpm-plain": { files } }
const expected = fixture.cases.find(({ name }) => name === "DDPM")!

interface World {
  readonly server: HubServer
  readonly cacheDir: string
  load(options?: PipelineOptions): Promise<DiffusionPipeline>
}

async function world(options: HubServerOptions = {}): Promise<World> {
  const server = await temporaryHub({ repos, ...options })
  const cacheDir = await temporaryFolder()
  const load = (options: PipelineOptions = {}) =>
    DiffusionPipeline.fromPretrained("google/ddpm-plain", {
      endpoint: server.url,
      cacheDir,
      worker: false,
      ...options,
    })
  return { server, cacheDir, load }
}

async function expectPicture(pipe: DiffusionPipeline): Promise<void> {
  const generator = new TorchGenerator(0)
  const { images } = await pipe({ numInferenceSteps: expected.steps, generator, outputType: "np" })
  const worst = expected.values.map((value, j) => {
    const found = images.data[Math.floor((j * (images.data.length - 1)) / 63)]!
    return Math.abs(found - value)
  })
  expect(Math.max(...worst)).toBeLessThan(2e-4)
}

async function converted(cacheDir: string): Promise<string[]> {
  return (await filesBelow(cacheDir)).filter(path => /\.onnx(_data)?$/.test(path))
}

describe("a repository with nothing but PyTorch weights", () => {
  it("is converted once, kept beside the snapshot, and then loads without the Hub", async () => {
    const { server, cacheDir, load } = await world()
    const events: string[] = []
    await using first = await load({ onProgress: event => events.push(event.status) })
    await expectPicture(first)
    expect(new Set(events)).toEqual(new Set(["initiate", "progress", "progress_total", "done"]))
    const graphs = await converted(cacheDir)
    expect(graphs).toHaveLength(2)
    expect(graphs.every(path => /unet-8x8-fp32-v\d+\.onnx(_data)?$/.test(path))).toBe(true)

    const before = server.requests.length
    await using second = await load({ localFilesOnly: true })
    await expectPicture(second)
    expect(server.requests.length).toBe(before)
  })

  it("is converted again when the kept graph is damaged", async () => {
    const { cacheDir, load } = await world()
    await (await load()).dispose()
    for (const path of await converted(cacheDir)) await truncate(join(cacheDir, path), 100)
    await using again = await load()
    await expectPicture(again)
  })

  it("can be moved, saved and loaded again as a folder", async () => {
    const { load } = await world()
    const folder = await temporaryFolder()
    await using pipe = await load()
    await pipe.savePretrained(folder)
    expect((await readdir(join(folder, "unet"))).sort()).toEqual([
      "config.json",
      "diffusion_pytorch_model.safetensors",
      "model.onnx",
    ])
    await using saved = await DiffusionPipeline.fromPretrained(folder, { worker: false })
    await expectPicture(saved)
    await expectPicture(await saved.to("wasm"))
    expect(saved.unet.device).toBe("wasm")
  })

  it("computes in float16 when asked", async () => {
    const { cacheDir, load } = await world()
    await using half = await load({ dtype: "fp16" })
    await using single = await load()
    expect((await converted(cacheDir)).filter(path => path.includes("fp16"))).toHaveLength(2)
    const sample = new TorchGenerator(1).randn([2, 3, 8, 8])
    const [a, b] = await Promise.all([half, single].map(({ unet }) => unet.forward(sample, 50)))
    const largest = Math.max(...b!.data.map(Math.abs))
    const worst = Math.max(...a!.data.map((x, i) => Math.abs(x - b!.data[i]!)))
    expect(worst / largest).toBeLessThan(1e-2)
    expect(worst).toBeGreaterThan(0)
  })
})

function fetched(server: HubServer): string[] {
  const paths = server.requests.flatMap(({ server: name, url }) => {
    const path = name === "hub" ? /\/resolve\/[^/]+\/([^?]+)/.exec(url)?.[1] : undefined
    return path === undefined ? [] : [path]
  })
  return [...new Set(paths)].sort()
}

describe("a repository with ONNX graphs", () => {
  const published = async (dtype: "fp32" | "fp16") => {
    const config = createConfig(unet2dConfigSpec, plainConfig)
    const graph = inferenceGraph(unet2dGraph, config, [8, 8], dtype)
    const layout = weightLayout(graph)
    const name = dtype === "fp16" ? "model_fp16.onnx" : "model.onnx"
    const weights = formulaWeights(parameterShapes(unet2dGraph(config, [8, 8])))
    return {
      [`unet/${name}`]: Buffer.from(encodeWithExternalData(graph, `${name}_data`, layout)),
      [`unet/${name}_data`]: Buffer.from(await fillWeights(layout, weights)),
    }
  }

  it("gives them, and no more than what is needed of them", async () => {
    const { "config.json": config, "scheduler_config.json": scheduler, ...rest } = files
    const both = {
      "model_index.json": rest["model_index.json"],
      "scheduler/scheduler_config.json": scheduler,
      "unet/config.json": config,
      "unet/diffusion_pytorch_model.bin": rest["diffusion_pytorch_model.bin"],
      ...(await published("fp32")),
      ...(await published("fp16")),
    }
    const { server, cacheDir, load } = await world({ repos: { "google/ddpm-plain": { files: both } } })
    await using single = await load()
    await expectPicture(single)
    const common = ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"]
    expect(fetched(server)).toEqual([...common, "unet/model.onnx", "unet/model.onnx_data"])

    server.reset()
    await using half = await load({ dtype: "fp16" })
    expect(fetched(server)).toEqual(["unet/model_fp16.onnx", "unet/model_fp16.onnx_data"])
    expect(half.unet.dtype).toBe("fp16")
    // Nothing was made here: what lies there are the files of the Hub.
    expect((await converted(cacheDir)).every(path => /\/unet\/model(_fp16)?\.onnx(_data)?$/.test(path))).toBe(
      true,
    )
  })
})

describe("options of the Hub", () => {
  it("reach it together: a variant in a subfolder of a private repository's branch, with progress", async () => {
    const other = Object.fromEntries(
      Object.entries(files).map(([path, content]) => [`models/${path}`, content]),
    )
    const { "models/diffusion_pytorch_model.bin": weights, ...without } = other
    const { server, load } = await world({
      repos: { "google/ddpm-plain": { files: { "README.md": "Nothing here." }, access: "private" } },
    })
    server.commit(
      "google/ddpm-plain",
      { ...without, "models/diffusion_pytorch_model.ema.bin": weights! },
      "trained",
    )
    const seen = new Set<string>()
    const options: PipelineOptions = {
      revision: "trained",
      subfolder: "models",
      variant: "ema",
      token: "hf_test",
      onProgress: event => "file" in event && seen.add(event.file),
    }
    await expect(load({ ...options, token: false })).rejects.toMatchObject({ code: "REPO_NOT_FOUND" })
    await expect(load({ ...options, revision: "main" })).rejects.toMatchObject({ code: "ENTRY_NOT_FOUND" })
    await using pipe = await load(options)
    await expectPicture(pipe)
    expect([...seen]).toContain("models/diffusion_pytorch_model.ema.bin")

    server.reset()
    await (await load(options)).dispose()
    expect(fetched(server)).toEqual([])
    await (await load({ ...options, forceDownload: true })).dispose()
    expect(fetched(server)).toContain("models/diffusion_pytorch_model.ema.bin")
  })

  it("are told of conditions to accept", async () => {
    const { load, cacheDir } = await world({ repos: { "google/ddpm-plain": { files, access: "gated" } } })
    await expect(load({ retries: 0 })).rejects.toMatchObject({ name: "HubError", code: "GATED" })
    expect((await filesBelow(cacheDir)).filter(path => path.includes("blobs"))).toEqual([])
  })
})

describe("what can't be converted", () => {
  const broken: readonly [string, () => Promise<Uint8Array>, string][] = [
    [
      "tensors of other shapes",
      () => formulaSafetensors({ ...plainConfig, inChannels: 1 }),
      "TENSOR_MISSHAPEN",
    ],
    [
      "a number that is not finite",
      async () => {
        const bytes = Uint8Array.from(await formulaSafetensors())
        new DataView(bytes.buffer).setFloat32(bytes.length - 8, Number.POSITIVE_INFINITY, true)
        return bytes
      },
      "TENSOR_NOT_FINITE",
    ],
    ["a cut file", async () => (await formulaSafetensors()).slice(0, -100), "TRUNCATED"],
  ]
  it.each(broken)("is refused and leaves no graph: %s", async (_, make, code) => {
    const { "diffusion_pytorch_model.bin": _bin, ...rest } = files
    const own = { ...rest, "diffusion_pytorch_model.safetensors": Buffer.from(await make()) }
    const { load, cacheDir } = await world({ repos: { "google/ddpm-plain": { files: own } } })
    await expect(load()).rejects.toMatchObject({ name: "WeightsError", code })
    const left = await filesBelow(cacheDir)
    expect(left.filter(path => /onnx|incomplete|\.tmp/.test(path))).toEqual([])
  })
})

describe("what the Hub can answer", () => {
  it.each<[string, string, PipelineOptions, string]>([
    ["an unknown id", "google/none", {}, "REPO_NOT_FOUND"],
    ["an absent revision", "google/ddpm-plain", { revision: "none" }, "REVISION_NOT_FOUND"],
    ["an absent variant", "google/ddpm-plain", { variant: "fp16" }, "VARIANT_NOT_FOUND"],
    ["a repository that isn't cached, offline", "google/ddpm-plain", { localFilesOnly: true }, "OFFLINE"],
  ])("%s is a typed error", async (_, id, options, code) => {
    const { server, cacheDir } = await world()
    const load = DiffusionPipeline.fromPretrained(id, {
      endpoint: server.url,
      cacheDir,
      retries: 0,
      ...options,
    })
    await expect(load).rejects.toMatchObject({ code })
    expect((await filesBelow(cacheDir)).filter(path => /incomplete|\.tmp/.test(path))).toEqual([])
  })

  it("stops when aborted, and leaves nothing half-written", async () => {
    const { cacheDir, load } = await world()
    const controller = new AbortController()
    const loading = load({ signal: controller.signal, onProgress: () => controller.abort() })
    await expect(loading).rejects.toMatchObject({ code: "ABORTED" })
    expect((await filesBelow(cacheDir)).filter(path => /incomplete|\.tmp|\.onnx/.test(path))).toEqual([])
  })
})
