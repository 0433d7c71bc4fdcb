import { afterAll } from "vitest"
import { GraphBuilder } from "../../src/graph/builder.ts"
import { encodeInline } from "../../src/graph/encode.ts"
import { add, div, mul, sub } from "../../src/graph/ops/elementwise.ts"
import { reshape } from "../../src/graph/ops/shape.ts"
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.ts"
import type { Tensor } from "../../src/tensor.ts"
import type { FileContents } from "./tiny-model.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"

/** What the pictures of the model are: independent numbers N(mean, std²), one channel of 4 × 4. */
export const gaussian = { mean: 0.4, std: 0.25, sigmaMin: 0.01, sigmaMax: 50 } as const

/** A picture of the model's size. */
export const blackPicture: Tensor<"float32"> = {
  dtype: "float32",
  shape: [1, 1, 4, 4],
  data: new Float32Array(16),
}

const config = {
  _class_name: "UNet2DModel",
  sample_size: 4,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [4],
  down_block_types: ["DownBlock2D"],
  up_block_types: ["UpBlock2D"],
  norm_num_groups: 2,
  attention_head_dim: 4,
}

/** A VE model whose network is an ONNX graph written by hand: the exact score −(x − mean)/(std² + σ²). */
export async function gaussianModel(changes: FileContents = {}): ReturnType<typeof temporaryFolder> {
  const g = new GraphBuilder("gaussian")
  const x = g.input("sample", "float32", ["batch", 1, 4, 4])
  const sigma = reshape(g.input("timestep", "float32", ["batch"]), ["batch", 1, 1, 1])
  const variance = add(mul(sigma, sigma), gaussian.std ** 2)
  const graph = g.build({ out_sample: div(sub(gaussian.mean, x), variance) })
  const chunks: Uint8Array[] = []
  for await (const chunk of encodeInline(graph, { readFloat32Into: async () => {} })) {
    chunks.push(Uint8Array.from(chunk))
  }
  const folder = await temporaryFolder()
  await writeModel(
    folder.path,
    {
      className: "ScoreSdeVePipeline",
      schedulerClass: "ScoreSdeVeScheduler",
      scheduler: { sigma_min: gaussian.sigmaMin, sigma_max: gaussian.sigmaMax, num_train_timesteps: 200 },
    },
    {
      "unet/config.json": config,
      "unet/diffusion_pytorch_model.safetensors": null,
      "unet/model.onnx": Buffer.concat(chunks),
      ...changes,
    },
  )
  return folder
}

/** That model's folder for all tests of a file, or of a group that waits for it; it goes when they have ended. */
export async function sharedGaussianModel(): Promise<string> {
  const folder = await gaussianModel()
  afterAll(() => folder[Symbol.asyncDispose]())
  return folder.path
}

/** The same, loaded in this thread. */
export async function sharedGaussianPipeline(folder?: string): Promise<ScoreSdeVePipeline> {
  const path = folder ?? (await sharedGaussianModel())
  const pipe = await ScoreSdeVePipeline.fromPretrained(path, { worker: false, threads: 1 })
  afterAll(() => pipe.dispose())
  return pipe
}
