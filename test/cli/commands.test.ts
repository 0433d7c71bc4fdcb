import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { readNpy, writeNpy } from "../../src/arrays/npy.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { tensor } from "../../src/tensor.ts"
import { type Files, startHubServer } from "../hub-server/hub-server.ts"
import { scoreSde, sharedFolder, shippedModel } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)

describe("score-sde", () => {
  it("prints its version", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"))
    expect(await scoreSde(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  it("shows examples and exit codes in the help of every command", async () => {
    const flows = [["likelihood"], ["encode"], ["decode"], ["interpolate"]]
    const commands = [[], ["sample"], ["info"], ["export"], ["run"], ["configs"], ...flows]
    const helps = await Promise.all(commands.map(command => scoreSde([...command, "--help"])))
    for (const { code, stdout } of helps) {
      expect(code).toBe(0)
      expect(stdout).toMatch(/Examples?:\n {2}score-sde /)
      expect(stdout).toContain("Exit codes")
    }
  })

  it("ends with 2 when it is called wrongly, before any work", async () => {
    const sample = ["sample", shippedModel, "--out", at("never")]
    const calls: [readonly string[], string][] = [
      [[], "Usage"],
      [["paint", shippedModel], "unknown command"],
      [["sample"], "missing required argument"],
      [[...sample, "--bogus"], "--bogus"],
      [[...sample, "--steps", "0"], "--steps"],
      [[...sample, "--steps", "x"], "--steps"],
      [[...sample, "--steps", "1"], "is 1"],
      [[...sample, "--generator", "numpy"], "numpy"],
      [[...sample, "--seed", "18446744073709551616"], "--seed"],
      [["sample", shippedModel, "-n", "2", "--out", at("never/two.png")], "--grid"],
      [["run", shippedModel, "--out", at("never.npy")], "--sample"],
    ]
    const results = await Promise.all(calls.map(([args]) => scoreSde(args)))
    for (const [i, { code, stdout, stderr }] of results.entries()) {
      expect({ args: calls[i]![0], code, stdout }).toEqual({ args: calls[i]![0], code: 2, stdout: "" })
      expect(stderr).toContain(calls[i]![1])
    }
    expect(await readdir(folder)).not.toContain("never")
  })

  it("ends with 1 when something is missing or can't be written, and says so before any work", async () => {
    await writeFile(at("file"), "")
    const calls: [readonly string[], string][] = [
      [["sample", at("none"), "--out", at("unmade")], "none"],
      [["info", at("none")], "none"],
      [["sample", shippedModel, "--out", at("file/below")], at("file")],
      [["sample", shippedModel, "--out", at("unmade"), "--out-npz", at("file/x.npz")], at("file")],
      [["export", shippedModel, at("file/below")], at("file")],
    ]
    const results = await Promise.all(calls.map(([args]) => scoreSde(args)))
    for (const [i, { code, stderr }] of results.entries()) {
      expect({ args: calls[i]![0], code }).toEqual({ args: calls[i]![0], code: 1 })
      expect(stderr).toContain(calls[i]![1])
      expect(stderr).not.toMatch(/Sampling| at .*\.ts:/)
    }
    expect(await readdir(folder)).not.toContain("unmade")
  })
})

describe("score-sde info", () => {
  it("tells people and programs", async () => {
    const [text, json] = await Promise.all([
      scoreSde(["info", shippedModel]),
      scoreSde(["info", shippedModel, "--json"]),
    ])
    expect(text.code).toBe(0)
    expect(text.stdout).toMatch(/1,268,777/)
    expect(text.stdout).toMatch(/ScoreSdeVePipeline/)
    expect(text.stdout).toMatch(/unet\/diffusion_pytorch_model\.safetensors {2}5\.10 MB/)
    const report = JSON.parse(json.stdout)
    expect(report).toMatchObject({
      pipeline: { class: "ScoreSdeVePipeline", supported: true },
      components: { unet: { class: "UNet2DModel" }, scheduler: { class: "ScoreSdeVeScheduler" } },
      network: { pictures: { height: 32, width: 32 }, channels: 3, parameters: 1268777 },
      noise: { sigmaMin: 0.01, sigmaMax: 30, snr: 0.16 },
    })
    expect(report.files).toContainEqual({
      path: "unet/diffusion_pytorch_model.safetensors",
      bytes: 5097900,
    })
  })
})

describe("score-sde export", () => {
  it("writes a folder that loads, with a float16 graph on request", async () => {
    const { code, stdout } = await scoreSde(["export", shippedModel, at("exported"), "--dtype", "fp16"])
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${at("exported")}\n` })
    const names = await readdir(at("exported/unet"))
    for (const name of ["config.json", "diffusion_pytorch_model.safetensors", "model_fp16.onnx"]) {
      expect(names).toContain(name)
    }
    await using pipe = await DiffusionPipeline.fromPretrained(at("exported"), { worker: false })
    await using half = await DiffusionPipeline.fromPretrained(at("exported"), {
      worker: false,
      dtype: "fp16",
    })
    expect(half.unet.dtype).toBe("fp16")
    const { images } = await pipe({ seed: 0, numInferenceSteps: 2 })
    expect(images[0].width).toBe(32)
  })
})

describe("score-sde run", () => {
  it("gives what the network gives", async () => {
    const sample = new TorchGenerator(0).randn([2, 3, 32, 32])
    const timestep = tensor("float32", [2], Float32Array.of(0.5, 20))
    await writeFile(at("x.npy"), writeNpy(sample))
    await writeFile(at("t.npy"), writeNpy(timestep))
    await writeFile(at("c.npy"), writeNpy(tensor("int32", [2], Int32Array.of(0, 1))))
    const inputs = ["--sample", at("x.npy"), "--timestep", at("t.npy")]
    const [done, labelled] = await Promise.all([
      scoreSde(["run", shippedModel, ...inputs, "--out", at("run/y.npy")]),
      scoreSde(["run", shippedModel, ...inputs, "--class-labels", at("c.npy"), "--out", at("no.npy")]),
    ])
    expect(done.code).toBe(0)
    await using unet = await UNet2DModel.fromPretrained(join(shippedModel, "unet"), { worker: false })
    const expected = await unet.forward(sample, timestep.data)
    const found = readNpy(await readFile(at("run/y.npy")), "y.npy")
    expect(found.shape).toEqual([2, 3, 32, 32])
    expect(found.data).toEqual(expected.data)
    expect(labelled).toMatchObject({ code: 2, stderr: expect.stringContaining("takes none") })
  })
})

describe("a model of the Hub", async () => {
  const names = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
  ]
  const files: Files = Object.fromEntries(
    await Promise.all(names.map(async name => [name, await readFile(join(shippedModel, name))] as const)),
  )
  const server = await startHubServer({ repos: { "someone/emoji": { files } } })
  afterAll(() => server.close())
  const env = { HF_ENDPOINT: server.url, HF_HOME: at("hub"), HF_HUB_OFFLINE: "" }

  it("is downloaded with plain lines of progress, and then found in the cache", async () => {
    const args = ["sample", "someone/emoji", "--steps", "2", "--seed", "0"]
    const first = await scoreSde([...args, "--out", at("hub-1.png")], { env })
    expect(first.code).toBe(0)
    expect(first.stderr).toMatch(/Downloading.* of .*B/)
    expect(first.stderr).not.toContain("\u001b")
    const before = server.requests.length
    const again = await scoreSde([...args, "--local-files-only", "--out", at("hub-2.png")], { env })
    expect(again.code).toBe(0)
    expect(server.requests.length).toBe(before)
    expect(await readFile(at("hub-2.png"))).toEqual(await readFile(at("hub-1.png")))
  })

  it("ends with 1 for an id that there isn't", async () => {
    const { code, stderr } = await scoreSde(["info", "someone/none"], { env })
    expect(code).toBe(1)
    expect(stderr).toContain("someone/none")
  })
})
