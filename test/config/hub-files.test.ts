import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { formatJson, type JsonObject, parseJson } from "../../src/config/json.ts"
import { formatModelIndex, parseModelIndex } from "../../src/config/model-index.ts"

const repeat = (count: number, name: string): string[] => Array.from({ length: count }, () => name)

const ncsnpp = {
  _class_name: "UNet2DModel",
  _diffusers_version: "0.0.4",
  act_fn: "silu",
  attention_head_dim: null,
  center_input_sample: true,
  downsample_padding: 1n,
  flip_sin_to_cos: true,
  freq_shift: 0n,
  in_channels: 3n,
  mid_block_scale_factor: Number("1.41421356237"),
  norm_eps: 1e-6,
  norm_num_groups: null,
  out_channels: 3n,
  time_embedding_type: "fourier",
}
const files: Record<string, { bytes: number; json: JsonObject }> = {
  "google/ncsnpp-ffhq-1024 config.json": {
    bytes: 951,
    json: {
      ...ncsnpp,
      block_out_channels: [16n, 32n, 64n, 128n, 256n, 512n, 512n, 512n],
      down_block_types: [...repeat(6, "SkipDownBlock2D"), "AttnSkipDownBlock2D", "SkipDownBlock2D"],
      layers_per_block: 1n,
      sample_size: 1024n,
      up_block_types: ["SkipUpBlock2D", "AttnSkipUpBlock2D", ...repeat(6, "SkipUpBlock2D")],
    },
  },
  "google/ncsnpp-church-256 config.json": {
    bytes: 900,
    json: {
      ...ncsnpp,
      block_out_channels: [128n, 128n, 256n, 256n, 256n, 256n, 256n],
      down_block_types: [
        ...repeat(4, "SkipDownBlock2D"),
        "AttnSkipDownBlock2D",
        ...repeat(2, "SkipDownBlock2D"),
      ],
      layers_per_block: 2n,
      sample_size: 256n,
      up_block_types: [...repeat(2, "SkipUpBlock2D"), "AttnSkipUpBlock2D", ...repeat(4, "SkipUpBlock2D")],
    },
  },
  "google/ddpm-cifar10-32 config.json": {
    bytes: 699,
    json: {
      ...ncsnpp,
      block_out_channels: [128n, 256n, 256n, 256n],
      center_input_sample: false,
      down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
      downsample_padding: 0n,
      flip_sin_to_cos: false,
      freq_shift: 1n,
      layers_per_block: 2n,
      mid_block_scale_factor: 1n,
      norm_num_groups: 32n,
      sample_size: 32n,
      time_embedding_type: "positional",
      up_block_types: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    },
  },
  "google/ddpm-cifar10-32 scheduler_config.json": {
    bytes: 256,
    json: {
      _class_name: "DDPMScheduler",
      _diffusers_version: "0.1.1",
      beta_end: 0.02,
      beta_schedule: "linear",
      beta_start: 0.0001,
      clip_sample: true,
      num_train_timesteps: 1000n,
      trained_betas: null,
      variance_type: "fixed_large",
    },
  },
  "google/ncsnpp-ffhq-1024 scheduler_config.json": {
    bytes: 211,
    json: {
      _class_name: "ScoreSdeVeScheduler",
      _diffusers_version: "0.1.1",
      correct_steps: 1n,
      num_train_timesteps: 2000n,
      sampling_eps: 1e-5,
      sigma_max: 1348n,
      sigma_min: 0.01,
      snr: 0.15,
    },
  },
  "google/ncsnpp-church-256 scheduler_config.json": {
    bytes: 153,
    json: {
      _class_name: "VeSdeScheduler",
      _diffusers_version: "0.0.4",
      sampling_eps: 1e-5,
      sigma_max: 380n,
      sigma_min: 0.01,
      snr: 0.075,
    },
  },
}

const indexes: Record<string, { bytes: number; className: string; version?: string; scheduler: string }> = {
  "google/ncsnpp-ffhq-1024": {
    bytes: 159,
    className: "ScoreSdeVePipeline",
    scheduler: "ScoreSdeVeScheduler",
  },
  "google/ncsnpp-church-256": {
    bytes: 192,
    className: "ScoreSdeVePipeline",
    version: "0.1.1",
    scheduler: "ScoreSdeVeScheduler",
  },
  "google/ddpm-cifar10-32": {
    bytes: 180,
    className: "DDPMPipeline",
    version: "0.1.1",
    scheduler: "DDPMScheduler",
  },
}

describe("files on the Hub have the size that we write", () => {
  test.each(Object.entries(files))("%s", (_, { bytes, json }) => {
    const text = formatJson(json)
    expect(new TextEncoder().encode(text)).toHaveLength(bytes)
    expect(formatJson(parseJson(text))).toBe(text)
  })

  test.each(Object.entries(indexes))("%s model_index.json", (_, { bytes, className, version, scheduler }) => {
    const text = formatModelIndex({
      className,
      diffusersVersion: version,
      components: new Map([
        ["unet", { library: "diffusers", className: "UNet2DModel" }],
        ["scheduler", { library: "diffusers", className: scheduler }],
      ]),
      scalars: {},
      ignoreFiles: [],
      metadata: {},
    })
    expect(new TextEncoder().encode(text)).toHaveLength(bytes)
    expect(formatModelIndex(parseModelIndex(text))).toBe(text)
  })
})

describe("the model that ships is rewritten byte for byte", () => {
  const read = (path: string): string =>
    readFileSync(new URL(`../../models/ncsnpp-emoji-32/${path}`, import.meta.url), "utf8")

  test.each(["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])("%s", path => {
    expect(formatJson(parseJson(read(path)))).toBe(read(path))
  })

  test("model_index.json through its typed form", () => {
    expect(formatModelIndex(parseModelIndex(read("model_index.json")))).toBe(read("model_index.json"))
  })
})
