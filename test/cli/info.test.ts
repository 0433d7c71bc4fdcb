import { afterEach, describe, expect, it, vi } from "vitest"
import { estimateMemory, largestLiveBytes } from "../../src/cli/memory-estimate.ts"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { add, mul } from "../../src/graph/ops/elementwise.ts"
import { concat, reshape } from "../../src/graph/ops/shape.ts"
import { hideHubEnvironment, temporaryFolder, temporaryHub } from "../hub/hub-fixtures.ts"
import { type FileContents, formulaSafetensors, plainJson, writeModel } from "../pipelines/tiny-model.ts"
import { captured } from "./captured.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

const ddpm = { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }

async function infoOf(changes: FileContents, pipeline: Parameters<typeof writeModel>[1] = ddpm) {
  const folder = await temporaryFolder()
  await writeModel(folder, pipeline, changes)
  return captured("info", folder)
}

/** The lines under a name, without it. */
function row(stdout: string, name: string): string {
  const lines = stdout.split("\n")
  const start = lines.findIndex(line => line.startsWith(`${name} `))
  const end = lines.findIndex((line, i) => i > start && !line.startsWith(" "))
  return lines
    .slice(start, end)
    .map(line => line.slice(name.length).trim())
    .join("\n")
}

describe("score-sde info", () => {
  it("tells of a DDPM model", async () => {
    const { code, stdout, stderr } = await infoOf({})
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(row(stdout, "pipeline")).toBe("DDPMPipeline")
    expect(row(stdout, "network")).toBe("2 levels of 8, 16 channels; positional time embedding")
    expect(row(stdout, "pictures")).toBe("8 × 8, 3 channels")
    expect(row(stdout, "noise")).toBe(
      "β from 0.0001 to 0.02 (linear), 1000 levels\npredicts epsilon, variance fixed_small",
    )
    expect(row(stdout, "weights")).toMatch(
      /^unet\/diffusion_pytorch_model\.safetensors, .* kB \(safetensors,/,
    )
    expect(row(stdout, "memory")).toMatch(
      /^about 20\d MB for one picture on the CPU, .* more for each further/,
    )
    expect(row(stdout, "size")).toMatch(/ kB in 4 files$/)
  })

  it("tells of a VP model", async () => {
    const vp = { className: "ScoreSdeVpPipeline", schedulerClass: "ScoreSdeVpScheduler" }
    const { stdout } = await infoOf({}, vp)
    expect(row(stdout, "noise")).toBe("β from 0.1 to 20, 2000 levels, down to t = 0.001")
  })

  it("tells of a network alone, whose pictures may have any size", async () => {
    const config = { ...plainJson, sample_size: null, num_class_embeds: 10 }
    const { code, stdout } = await infoOf({ "model_index.json": null, "unet/config.json": config })
    expect(code).toBe(0)
    expect(stdout).not.toMatch(/^(?:pipeline|memory)/m)
    expect(row(stdout, "pictures")).toBe("any size, 3 channels")
    expect(row(stdout, "network")).toContain("class-conditional")
  })

  it("names what it doesn't know, and tells the rest", async () => {
    const index = {
      _class_name: "StableDiffusionPipeline",
      scheduler: ["diffusers", "PNDMScheduler"],
      unet: ["diffusers", "UNet2DConditionModel"],
      safety_checker: [null, null],
    }
    const { code, stdout } = await infoOf({
      "model_index.json": index,
      "unet/diffusion_pytorch_model.safetensors": null,
    })
    expect(code).toBe(0)
    expect(row(stdout, "pipeline")).toBe("StableDiffusionPipeline (not supported)")
    expect(row(stdout, "scheduler")).toBe("PNDMScheduler (not supported)")
    expect(row(stdout, "unet")).toBe("UNet2DConditionModel (not supported)")
    expect(row(stdout, "weights")).toBe("none that could be loaded")
    expect(stdout).not.toContain("parameters")
  })

  it("downloads the configuration only, and gives null where nothing is known", async () => {
    const flat = {
      "model_index.json": JSON.stringify({
        _class_name: "DDPMPipeline",
        scheduler: ["diffusers", "DDPMScheduler"],
        unet: ["diffusers", "UNet2DModel"],
      }),
      "scheduler_config.json": "{}",
      "config.json": JSON.stringify(plainJson),
      "diffusion_pytorch_model.safetensors": await formulaSafetensors(),
    }
    const server = await temporaryHub({ repos: { "a/flat": { files: flat } }, metadata: "file" })
    vi.stubEnv("HF_ENDPOINT", server.url)
    const { code, stdout, stderr } = await captured("info", "a/flat", "--json", "--dtype", "fp16")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const report = JSON.parse(stdout)
    expect(report.commit).toMatch(/^[0-9a-f]{40}$/)
    expect(report.network).toMatchObject({ dtype: "fp16", parameters: expect.any(Number) })
    expect(report.network.memory.weights).toBeLessThan(report.network.parameters * 3)
    expect(report.weights).toMatchObject({ format: "safetensors", bytes: null })
    expect(server.requests.some(({ method, url }) => method === "GET" && url.includes("safetensors"))).toBe(
      false,
    )
  })

  it("fails for a variant that there isn't", async () => {
    const folder = await temporaryFolder()
    await writeModel(folder, ddpm)
    const { code, stderr } = await captured("info", folder, "--variant", "ema")
    expect(code).toBe(1)
    expect(stderr).toContain('error: There are no "ema" files')
  })
})

describe("memory", () => {
  const g = new GraphBuilder("test")
  const x = g.input("x", "float32", ["batch", 4])
  const a = add(x, x)
  const b = mul(a, a)
  const c = add(reshape(b, ["batch", 2, 2]), 1)
  const graph = g.build({ y: concat([c, c], 1) })

  it("is that of the values that live at one time, where views take none", () => {
    // 16 bytes for a, b and c each, of which the last lives beside y with 32.
    expect(largestLiveBytes(graph)).toBe(48)
  })

  it("is estimated from weights and activations", () => {
    const { weights, activations, process, perPicture } = estimateMemory(graph)
    expect({ weights, activations, perPicture }).toEqual({ weights: 0, activations: 48, perPicture: 216 })
    expect(process).toBe(200_000_216)
  })
})
