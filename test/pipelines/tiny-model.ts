import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createConfig } from "../../src/config/config.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { type UNet2DConfig, unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { elementCount } from "../../src/tensor.ts"
import { writeSafetensors } from "../../src/weights/safetensors-writer.ts"
import { formulaWeights } from "../models/formula-weights.ts"

/** What a file of a folder holds: text, JSON or bytes; null leaves the file out. */
export type FileContents = Readonly<Record<string, string | object | Uint8Array | null>>

/** The configuration of the fixtures' plain model: two levels, 8×8 pictures. */
export const plainConfig: Partial<UNet2DConfig> = {
  sampleSize: 8,
  blockOutChannels: [8, 16],
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
  layersPerBlock: 1,
  normNumGroups: 4,
  attentionHeadDim: 8,
}

/** A configuration in the form of a config.json. */
export function configJson(config: Partial<UNet2DConfig>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries({ ...config, _class_name: "UNet2DModel" }).map(([key, value]) => [
      key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`).replace("__class", "_class"),
      value,
    ]),
  )
}

/** The plain model's. */
export const plainJson: Readonly<Record<string, unknown>> = configJson(plainConfig)

/** A safetensors file with weights by the fixtures' formula. */
export async function formulaSafetensors(values: Partial<UNet2DConfig> = plainConfig): Promise<Uint8Array> {
  const config = createConfig(unet2dConfigSpec, values)
  const shapes = parameterShapes(unet2dGraph(config, [8, 8]))
  const weights = formulaWeights(shapes)
  const tensors = [...shapes].map(([name, shape]) => ({
    name,
    dtype: "float32" as const,
    shape,
    read: async () => {
      const data = new Float32Array(elementCount(shape))
      await weights.readFloat32Into(name, data)
      return { dtype: "float32" as const, shape, data }
    },
  }))
  const chunks: Uint8Array[] = []
  for await (const chunk of writeSafetensors(tensors, { format: "pt" })) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}

/** The files of the plain network with another configuration, for {@link writeModel}. */
export async function networkFiles(changes: Partial<UNet2DConfig>): Promise<FileContents> {
  const config = { ...plainConfig, ...changes }
  return {
    "unet/config.json": configJson(config),
    "unet/diffusion_pytorch_model.safetensors": await formulaSafetensors(config),
  }
}

/** A new empty folder, and how to remove it. */
export async function temporaryFolder(): Promise<{ path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "score-sde-test-"))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Writes a folder in Diffusers' layout with the plain model and the given pipeline; `changes` go on top. */
export async function writeModel(
  folder: string,
  pipeline: { readonly className: string; readonly schedulerClass: string; readonly scheduler?: object },
  changes: FileContents = {},
): Promise<void> {
  const files: FileContents = {
    "model_index.json": {
      _class_name: pipeline.className,
      scheduler: ["diffusers", pipeline.schedulerClass],
      unet: ["diffusers", "UNet2DModel"],
    },
    "scheduler/scheduler_config.json": { _class_name: pipeline.schedulerClass, ...pipeline.scheduler },
    "unet/config.json": plainJson,
    "unet/diffusion_pytorch_model.safetensors": await formulaSafetensors(),
    ...changes,
  }
  for (const [path, content] of Object.entries(files)) {
    if (content === null) continue
    await mkdir(join(folder, path, ".."), { recursive: true })
    const plain = typeof content === "string" || content instanceof Uint8Array
    await writeFile(join(folder, path), plain ? content : JSON.stringify(content))
  }
}

/** The JSON files of the plain network with a DDPM scheduler, all at the root, as google/ddpm-cifar10-32 has them. */
export const flatModelFiles: Readonly<
  Record<"model_index.json" | "scheduler_config.json" | "config.json", string>
> = {
  "model_index.json": JSON.stringify({
    _class_name: "DDPMPipeline",
    scheduler: ["diffusers", "DDPMScheduler"],
    unet: ["diffusers", "UNet2DModel"],
  }),
  "scheduler_config.json": JSON.stringify({
    _class_name: "DDPMScheduler",
    num_train_timesteps: 100,
    variance_type: "fixed_large",
  }),
  "config.json": JSON.stringify(plainJson),
}
