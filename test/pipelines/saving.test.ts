import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { DiffusionPipeline, type PipelineOptions } from "../../src/pipelines/diffusion-pipeline.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"

const ddpm = { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }
const weights = "diffusion_pytorch_model.safetensors"

async function load(path: string, options: PipelineOptions = {}): Promise<DiffusionPipeline> {
  return await DiffusionPipeline.fromPretrained(path, { worker: false, ...options })
}

async function modelFolder(): ReturnType<typeof temporaryFolder> {
  const folder = await temporaryFolder()
  await writeModel(folder.path, ddpm)
  return folder
}

async function unetFiles(path: string): Promise<string[]> {
  return (await readdir(join(path, "unet"))).sort()
}

async function predict(pipe: DiffusionPipeline): Promise<Float32Array> {
  const { unet } = pipe
  return (await unet.forward(new TorchGenerator(1).randn([1, 3, ...unet.size]), 5)).data
}

it("writes weights in the type that the model computes in, whatever its files hold, as PyTorch does", async () => {
  await using source = await modelFolder()
  await using halves = await temporaryFolder()
  await using floats = await temporaryFolder()
  const types = async ({ path }: { readonly path: string }) => {
    const text = await readFile(join(path, "unet", weights), "latin1")
    return new Set(text.match(/(?<="dtype":")\w+/g))
  }
  await using half = await load(source.path, { dtype: "fp16" })
  await half.savePretrained(halves.path, { onnx: [] })
  expect(await types(halves)).toEqual(new Set(["F16"]))
  await using pipe = await load(halves.path)
  await pipe.savePretrained(floats.path, { onnx: [] })
  expect(await types(floats)).toEqual(new Set(["F32"]))
  await using saved = await load(floats.path)
  expect(await predict(saved)).toEqual(await predict(pipe))
})

describe("over another model", () => {
  it("leaves nothing of its network, and all that is not", async () => {
    await using source = await modelFolder()
    await using target = await temporaryFolder()
    const stale = [
      "unet/model_fp16.onnx",
      "unet/model.ema.onnx",
      "unet/model.onnx_data",
      "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
      "unet/diffusion_pytorch_model.safetensors.index.json",
      "unet/diffusion_pytorch_model.fp16.bin",
      "onnx/unet/model_fp16.onnx",
    ]
    const kept = [
      "README.md",
      "unet/notes.txt",
      "vae/diffusion_pytorch_model.safetensors",
      "onnx/unet/model.txt",
    ]
    for (const path of [...stale, ...kept]) {
      await mkdir(join(target.path, path, ".."), { recursive: true })
      await writeFile(join(target.path, path), "old")
    }
    await using pipe = await load(source.path)
    await pipe.savePretrained(target.path)
    expect(await unetFiles(target.path)).toEqual(["config.json", weights, "model.onnx", "notes.txt"])
    expect(await readdir(join(target.path, "onnx/unet"))).toEqual(["model.txt"])
    for (const path of kept) expect(await readFile(join(target.path, path), "utf8")).toBe("old")
    await using saved = await load(target.path)
    expect(await predict(saved)).toEqual(await predict(pipe))
  })

  it("replaces foreign weights when there is only a graph to save, and says so", async () => {
    await using source = await modelFolder()
    await using graphs = await temporaryFolder()
    await using target = await modelFolder()
    await using first = await load(source.path)
    await first.savePretrained(graphs.path)
    await using pipe = await load(graphs.path, { useOnnx: true })
    await rm(join(graphs.path, "unet", weights))
    const warnings: string[] = []
    await pipe.savePretrained(target.path, { onWarning: message => warnings.push(message) })
    expect(await unetFiles(target.path)).toEqual(["config.json", "model.onnx"])
    expect(warnings).toEqual([expect.stringContaining("no PyTorch weights")])
    await expect(pipe.savePretrained(target.path, { onnx: [] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    })
  })

  it.each(["unet/config.json", "unet/model.onnx", "model_index.json"])(
    "changes nothing when it is stopped at %s",
    async last => {
      await using source = await modelFolder()
      await using target = await modelFolder()
      await writeFile(join(target.path, "unet", weights), "old")
      await using pipe = await load(source.path)
      const controller = new AbortController()
      const onFile = (path: string): void => {
        if (path === last) controller.abort()
      }
      const before = await readdir(target.path, { recursive: true })
      const saving = pipe.savePretrained(target.path, { signal: controller.signal, onFile })
      await expect(saving).rejects.toMatchObject({ code: "ABORTED" })
      expect(await readdir(target.path, { recursive: true })).toEqual(before)
      expect(await readFile(join(target.path, "unet", weights), "utf8")).toBe("old")

      const fresh = join(target.path, "new")
      await expect(pipe.savePretrained(fresh, { signal: controller.signal, onFile })).rejects.toMatchObject({
        code: "ABORTED",
      })
      expect(await readdir(target.path)).not.toContain("new")
    },
  )

  it("works in the very folder that it was loaded from, after which the model can still be moved", async () => {
    await using folder = await temporaryFolder()
    await writeModel(folder.path, ddpm, {
      [`unet/${weights}`]: null,
      "unet/diffusion_pytorch_model.bin": await readFile("test/fixtures/pipelines/plain.bin"),
    })
    await using pipe = await load(folder.path)
    const before = await predict(pipe)
    await pipe.savePretrained(folder.path)
    expect(await unetFiles(folder.path)).toEqual(["config.json", weights, "model.onnx"])
    await pipe.to("cpu")
    expect(await predict(pipe)).toEqual(before)
    await pipe.savePretrained(folder.path)
    await using saved = await load(folder.path)
    expect(await predict(saved)).toEqual(before)
  })
})

it("names what can't be written to, or isn't an option", async () => {
  await using folder = await modelFolder()
  await using pipe = await load(folder.path)
  const file = join(folder.path, "model_index.json")
  for (const target of [file, join(file, "below")]) {
    await expect(pipe.savePretrained(target)).rejects.toMatchObject({
      name: "FileError",
      code: "FILE_WRONG_KIND",
    })
  }
  await expect(pipe.savePretrained("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
  await expect(pipe.savePretrained(folder.path, { onnx: ["int8" as "fp16"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("fp32, fp16"),
  })
})

describe("the size of the pictures", () => {
  it("that was asked for is saved, in the graph and in the configuration", async () => {
    await using source = await modelFolder()
    await using target = await temporaryFolder()
    await using pipe = await load(source.path, { size: [16, 16] })
    await pipe.savePretrained(target.path)
    expect(JSON.parse(await readFile(join(target.path, "unet/config.json"), "utf8")).sample_size).toBe(16)
    await using saved = await load(target.path, { useOnnx: true })
    expect(saved.unet.size).toEqual([16, 16])
    expect(await predict(saved)).toEqual(await predict(pipe))
  })

  it("other than the graph's is made from the weights, or refused without them", async () => {
    await using source = await modelFolder()
    await using saved = await temporaryFolder()
    await using first = await load(source.path)
    await first.savePretrained(saved.path)
    await using pipe = await load(saved.path, { size: [16, 8] })
    await using expected = await load(source.path, { size: [16, 8] })
    expect(pipe.unet.size).toEqual([16, 8])
    expect(await predict(pipe)).toEqual(await predict(expected))

    const refused = { code: "SHAPE_MISMATCH", message: expect.stringContaining("8 × 8, not of 16 × 8") }
    await expect(load(saved.path, { size: [16, 8], useOnnx: true })).rejects.toMatchObject(refused)
    await using graph = await temporaryFolder()
    await cp(saved.path, graph.path, { recursive: true, filter: path => !path.endsWith(weights) })
    await expect(load(graph.path, { size: [16, 8] })).rejects.toMatchObject(refused)
  })

  it.each([[9, 9], [0, 8], 8, [8]])("%j is refused", async (...size) => {
    await using source = await modelFolder()
    const options = { size: (size.length === 1 ? size[0] : size) as unknown as [number, number] }
    await expect(load(source.path, options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
  })
})
