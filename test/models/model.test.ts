import * as fs from "node:fs/promises"
import { join } from "node:path"
import { afterEach, describe, expect, it, vi } from "vitest"
import { createConfig } from "../../src/config/config.ts"
import { unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import * as sessions from "../../src/runtime/session.ts"
import { elementCount } from "../../src/tensor.ts"
import { formulaSafetensors, plainConfig, plainJson, temporaryFolder } from "../pipelines/tiny-model.ts"

vi.mock(import("../../src/runtime/session.ts"), async original => {
  const module = await original()
  return { ...module, createSession: vi.fn(module.createSession) }
})
afterEach(() => void vi.mocked(sessions.createSession).mockClear())

async function modelFolder(config: object = plainJson): ReturnType<typeof temporaryFolder> {
  const folder = await temporaryFolder()
  await fs.writeFile(join(folder.path, "config.json"), JSON.stringify(config))
  await fs.writeFile(join(folder.path, "diffusion_pytorch_model.safetensors"), await formulaSafetensors())
  return folder
}

const sample = new TorchGenerator(0).randn([1, 3, 8, 8])

async function openSessions(): Promise<number> {
  const made = await Promise.all(vi.mocked(sessions.createSession).mock.results.map(result => result.value))
  const live = await Promise.allSettled(
    made.map(session =>
      session.run({ sample, timestep: { dtype: "float32", shape: [1], data: Float32Array.of(1) } }),
    ),
  )
  return live.filter(result => result.status === "fulfilled").length
}

describe("a model's life", () => {
  it("ends with dispose: what comes after is a typed error", async () => {
    await using folder = await modelFolder()
    const unet = await UNet2DModel.fromPretrained(folder.path, { worker: false })
    await unet.dispose()
    await expect(unet.forward(sample, 1)).rejects.toMatchObject({ code: "DISPOSED" })
    await expect(unet.to("cpu")).rejects.toMatchObject({ code: "DISPOSED" })
    expect(await openSessions()).toBe(0)
  })

  it("holds one session after moves at once, and none after a dispose during one", async () => {
    await using folder = await modelFolder()
    const unet = await UNet2DModel.fromPretrained(folder.path, { worker: false })
    await Promise.all([unet.to("cpu"), unet.to("cpu"), unet.forward(sample, 1)])
    expect(await openSessions()).toBe(1)
    const [moved] = await Promise.allSettled([unet.to("cpu"), unet.dispose()])
    expect(await openSessions()).toBe(0)
    if (moved.status === "rejected") expect(moved.reason).toMatchObject({ code: "DISPOSED" })
  })

  it("stays where it is when a move fails, and can be moved after it", async () => {
    await using folder = await modelFolder()
    await using unet = await UNet2DModel.fromPretrained(folder.path, { worker: false })
    await expect(unet.to("dml")).rejects.toMatchObject({ code: "DEVICE_UNAVAILABLE" })
    await unet.to("cpu")
    expect((await unet.forward(sample, 1)).shape).toEqual([1, 3, 8, 8])
  })
})

describe("a configuration of absurd width", () => {
  const wide = { ...plainConfig, blockOutChannels: [65_536, 65_536], normNumGroups: 32, sampleSize: 64 }

  it("makes a graph without large constants", () => {
    const graph = unet2dGraph(createConfig(unet2dConfigSpec, wide), [64, 64])
    const constants = [...graph.initializers.values()].flatMap(one =>
      one.kind === "constant" ? [one.tensor] : [],
    )
    expect(Math.max(...constants.map(({ shape }) => elementCount(shape)))).toBeLessThan(2 ** 20)
  })

  it("is refused by the shapes in the checkpoint's header", async () => {
    const config = {
      ...plainJson,
      block_out_channels: [65_536, 65_536],
      norm_num_groups: 32,
      sample_size: 64,
    }
    await using folder = await modelFolder(config)
    await expect(UNet2DModel.fromPretrained(folder.path, { worker: false })).rejects.toMatchObject({
      code: "TENSOR_MISSHAPEN",
    })
  })
})

it("tells on the console, unless asked otherwise, that a conversion can't be kept", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {})
  const { convertedModel } = await import("../../src/models/converted-graph.ts")
  const { FileError } = await import("../../src/platform/file-error.ts")
  const { openRepo } = await import("../../src/hub/open-repo.ts")
  const { openCheckpoint } = await import("../../src/models/checkpoint.ts")
  await using folder = await modelFolder()
  const local = await openRepo(folder.path)
  const full = (name: string) => ({
    ...local.derivedFile(name),
    name,
    write: async () => {
      throw new FileError("NO_SPACE", "full")
    },
  })
  const repo = new Proxy(local, {
    get: (target, key) =>
      key === "kind" ? "hub" : key === "derivedFile" ? full : Reflect.get(target, key, target),
  })
  const graph = unet2dGraph(createConfig(unet2dConfigSpec, plainConfig), [8, 8])
  const path = "diffusion_pytorch_model.safetensors"
  const open = () => openCheckpoint(local, { format: "safetensors", path, shards: undefined }, graph)
  expect(await convertedModel(repo, graph, open, { name: "unet" })).toHaveProperty("bytes")
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("can't be kept"))
  warn.mockRestore()
})
