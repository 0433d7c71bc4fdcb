import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { createConfig } from "../../src/config/config.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import { fillWeights, weightLayout } from "../../src/graph/weight-layout.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { inferenceGraph } from "../../src/models/conversion.ts"
import { unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { DDIMPipeline } from "../../src/pipelines/ddim.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.ts"
import type { ChosenFile } from "../../src/platform/folder-handle.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { formulaWeights } from "../models/formula-weights.ts"
import {
  type FileContents,
  formulaSafetensors,
  plainConfig,
  plainJson,
  temporaryFolder,
  writeModel,
} from "./tiny-model.ts"

const ddpm = { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }
const weightsPath = "unet/diffusion_pytorch_model.safetensors"

async function load(changes: FileContents, options: object = {}): Promise<DiffusionPipeline> {
  await using folder = await temporaryFolder()
  await writeModel(folder.path, ddpm, changes)
  return await DiffusionPipeline.fromPretrained(folder.path, { worker: false, ...options })
}

describe("fromPretrained", () => {
  it("reads the flat layout", async () => {
    const text = async (path: string): Promise<Uint8Array> => readFile(join("models/ncsnpp-emoji-32", path))
    await using folder = await temporaryFolder()
    await writeModel(folder.path, ddpm, {
      "model_index.json": {
        ...JSON.parse(String(await text("model_index.json"))),
        _diffusers_version: undefined,
      },
      "scheduler/scheduler_config.json": null,
      "unet/config.json": null,
      [weightsPath]: null,
      // As the oldest repositories have it: another class name, and no keys but these.
      "scheduler_config.json": { _class_name: "VeSdeScheduler", sigma_max: 380, sigma_min: 0.01, snr: 0.075 },
      "config.json": String(await text("unet/config.json")),
      "diffusion_pytorch_model.safetensors": await text(weightsPath),
    })
    await using pipe = await DiffusionPipeline.fromPretrained(folder.path, { worker: false })
    expect(pipe).toBeInstanceOf(ScoreSdeVePipeline)
    expect(pipe.scheduler.config).toMatchObject({
      sigmaMax: 380,
      snr: 0.075,
      numTrainTimesteps: 2000,
      correctSteps: 1,
    })
  })

  it.each(["cpu", "wasm"] as const)(
    "reads chosen files, weights beside their graph too, on %s",
    async device => {
      const config = createConfig(unet2dConfigSpec, plainConfig)
      const graph = inferenceGraph(unet2dGraph, config, [8, 8], "fp32")
      const layout = weightLayout(graph)
      const weights = formulaWeights(parameterShapes(unet2dGraph(config, [8, 8])))
      const file = (path: string, content: Uint8Array | string): ChosenFile =>
        Object.defineProperty(
          new File([new Uint8Array(Buffer.from(content))], path.split("/").at(-1)!),
          "webkitRelativePath",
          {
            value: `mine/${path}`,
          },
        )
      await using chosen = await UNet2DModel.fromPretrained(
        [
          file("config.json", JSON.stringify(plainJson)),
          file("model.onnx", encodeWithExternalData(graph, "model.onnx_data", layout)),
          file("model.onnx_data", await fillWeights(layout, weights)),
        ],
        { worker: false, device },
      )
      await using folder = await temporaryFolder()
      await writeModel(folder.path, ddpm)
      await using same = await UNet2DModel.fromPretrained(folder.path, {
        worker: false,
        subfolder: "unet",
        device,
      })
      const sample = new TorchGenerator(0).randn([1, 3, 8, 8])
      const [a, b] = [await chosen.forward(sample, 10), await same.forward(sample, 10)]
      expect(a.data).toEqual(b.data)
    },
  )

  it("makes the scheduler that the asked class needs", async () => {
    await using folder = await temporaryFolder()
    await writeModel(folder.path, { ...ddpm, scheduler: { num_train_timesteps: 50 } })
    await using pipe = await DDIMPipeline.fromPretrained(folder.path, { worker: false })
    expect(pipe.scheduler.config.numTrainTimesteps).toBe(50)
    expect((await pipe({ numInferenceSteps: 2 })).nfe).toBe(2)
  })

  it("takes given components in place of the repository's", async () => {
    await using first = await load({})
    await using second = await load({ [weightsPath]: null }, { unet: first.unet })
    expect(second.unet).toBe(first.unet)
  })

  it.each<[string, FileContents, object]>([
    ["no index", { "model_index.json": null }, { code: "ENTRY_NOT_FOUND" }],
    ["broken JSON", { "unet/config.json": "{" }, { code: "INVALID_JSON" }],
    [
      "a value of the wrong type",
      { "unet/config.json": { ...plainJson, layers_per_block: "two" } },
      {
        code: "INVALID_VALUE",
        message: expect.stringMatching(/unet\/config\.json: layers_per_block.*"two".*whole/),
      },
    ],
    [
      "an unknown pipeline",
      { "model_index.json": { _class_name: "FluxPipeline", unet: ["diffusers", "UNet2DModel"] } },
      { code: "UNKNOWN_PIPELINE" },
    ],
    [
      "a custom pipeline",
      { "model_index.json": { _class_name: ["my_pipeline", "MyPipeline"] } },
      { code: "UNKNOWN_PIPELINE", message: expect.stringContaining("never run") },
    ],
    [
      "an unknown scheduler",
      { "model_index.json": index({ scheduler: ["diffusers", "PNDMScheduler"] }) },
      { code: "UNKNOWN_CLASS" },
    ],
    [
      "an unknown model class",
      { "model_index.json": index({ unet: ["diffusers", "UNet2DConditionModel"] }) },
      { code: "COMPONENT_TYPE" },
    ],
    [
      "a component that is null",
      { "model_index.json": index({ unet: [null, null] }) },
      { code: "COMPONENT_MISSING" },
    ],
    [
      "an unknown block",
      { "unet/config.json": { ...plainJson, down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"] } },
      { code: "INVALID_VALUE" },
    ],
    [
      "block lists of different length",
      { "unet/config.json": { ...plainJson, up_block_types: ["UpBlock2D"] } },
      { code: "INVALID_VALUE", message: expect.stringContaining("2 levels") },
    ],
    [
      "a size that the levels don't divide",
      { "unet/config.json": { ...plainJson, sample_size: 9 } },
      { code: "INVALID_VALUE" },
    ],
    ["no weights", { [weightsPath]: null }, { code: "WEIGHTS_NOT_FOUND" }],
    [
      "weights of another model",
      { "unet/config.json": { ...plainJson, layers_per_block: 2 } },
      { code: "TENSOR_MISSING" },
    ],
  ])("refuses %s", async (_, changes, error) => {
    await expect(load(changes)).rejects.toMatchObject(error)
  })

  it("refuses misshapen tensors and ones that are not finite", async () => {
    const narrow = await formulaSafetensors({ ...plainConfig, inChannels: 1 })
    await expect(load({ [weightsPath]: narrow })).rejects.toMatchObject({ code: "TENSOR_MISSHAPEN" })
    const broken = Uint8Array.from(await formulaSafetensors())
    new DataView(broken.buffer).setFloat32(broken.length - 8, Number.NaN, true)
    await expect(load({ [weightsPath]: broken })).rejects.toMatchObject({ code: "TENSOR_NOT_FINITE" })
  })

  it.each([1, 4])("refuses %i channels where Skip blocks need 3", async channels => {
    const config = {
      ...JSON.parse(String(await readFile("models/ncsnpp-emoji-32/unet/config.json"))),
      in_channels: channels,
    }
    await expect(load({ "unet/config.json": config })).rejects.toMatchObject({
      code: "INVALID_VALUE",
      message: expect.stringContaining("in_channels"),
    })
  })

  it("reports a device that is not there", async () => {
    await expect(load({}, { device: "dml" })).rejects.toMatchObject({ code: "DEVICE_UNAVAILABLE" })
  })
})

describe("savePretrained", () => {
  it("gives back what was loaded, and an ONNX graph that loads", async () => {
    const source = "models/ncsnpp-emoji-32"
    await using pipe = await DiffusionPipeline.fromPretrained(source, { worker: false })
    await using folder = await temporaryFolder()
    await pipe.savePretrained(folder.path)
    const read = async (root: string, path: string): Promise<string> =>
      (await readFile(join(root, path), "latin1")).replace(/"_diffusers_version": ".*"/, "")
    for (const path of [
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      weightsPath,
    ]) {
      expect((await read(folder.path, path)) === (await read(source, path)), path).toBe(true)
    }
    expect(await readdir(join(folder.path, "unet"))).toContain("model.onnx")

    await using saved = await DiffusionPipeline.fromPretrained(folder.path, { worker: false })
    const options = { seed: 1, numInferenceSteps: 2 }
    expect((await saved(options)).images[0].data).toEqual((await pipe(options)).images[0].data)
  })

  it("saves a model that came as an ONNX graph alone", async () => {
    await using folder = await temporaryFolder()
    await using again = await temporaryFolder()
    await using pipe = await DiffusionPipeline.fromPretrained("models/ncsnpp-emoji-32", { worker: false })
    await pipe.savePretrained(folder.path)
    await using graph = await DiffusionPipeline.fromPretrained(folder.path, { worker: false, useOnnx: true })
    await graph.savePretrained(again.path)
    const [first, second] = await Promise.all(
      [folder, again].map(({ path }) => readFile(join(path, "unet/model.onnx"))),
    )
    expect(second?.equals(first!)).toBe(true)
  })
})

function index(components: object): object {
  return {
    _class_name: "DDPMPipeline",
    scheduler: ["diffusers", "DDPMScheduler"],
    unet: ["diffusers", "UNet2DModel"],
    ...components,
  }
}
