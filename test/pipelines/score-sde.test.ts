import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { scoreSdeConfig, scoreSdeConfigNames } from "../../src/configs/configs.ts"
import type { ScoreNetworkModel } from "../../src/models/score-sde/model.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { exportScoreSde } from "../../src/pipelines/export-score-sde.ts"
import { ScoreSdeInpaintPipeline } from "../../src/pipelines/inpaint.ts"
import { ScoreSdePipeline } from "../../src/pipelines/score-sde.ts"
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.ts"
import { createGenerator } from "../../src/random/randn-tensor.ts"
import { ScoreSdeScheduler } from "../../src/schedulers/score-sde.ts"
import { pcSampler } from "../../src/sde/pc-sampler.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import type { Tensor } from "../../src/tensor.ts"
import { hashInput } from "../models/score-sde/case.ts"
import {
  checkpointBytes,
  checkpointConfig,
  checkpointFolder,
  checkpointOutputs,
  relativeError,
} from "../models/score-sde/checkpoint-files.ts"
import { temporaryFolder } from "./tiny-model.ts"

const inline = { device: "cpu", worker: false, threads: 1 } as const
const x: Tensor<"float32"> = { dtype: "float32", shape: [2, 3, 8, 8], data: hashInput(2 * 3 * 64) }
const checkpoint = (name: string) => fileURLToPath(new URL(name, checkpointFolder))

async function contents(folder: string): Promise<Record<string, string>> {
  const paths = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = paths.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const hashes = files.map(async file => [
    file.slice(folder.length + 1),
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex"),
  ])
  return Object.fromEntries(await Promise.all(hashes))
}

describe.each(["checkpoint_8.pth", "checkpoint_8", "checkpoint_9"])("%s as a model", file => {
  test("gives the outputs of its averaged weights, by graph and by weights, and tells where it came from", async () => {
    await using folder = await temporaryFolder()
    const model = join(folder.path, "model")
    const origin = await exportScoreSde(checkpoint(file), checkpointConfig(), model)
    expect(origin).toEqual({
      checkpoint: file,
      sha256: createHash("sha256").update(checkpointBytes(file)).digest("hex"),
      framework: file.endsWith(".pth") ? "pytorch" : "flax",
      config: null,
      step: file === "checkpoint_9" ? 450001 : 400001,
      weights: "ema",
    })
    for (const useOnnx of [true, false]) {
      await using pipe = await DiffusionPipeline.fromPretrained(model, { ...inline, useOnnx })
      expect(pipe).toBeInstanceOf(ScoreSdePipeline)
      const output = await pipe.unet.forward(x, checkpointOutputs.labels)
      expect(relativeError(output.data, checkpointOutputs.averaged)).toBeLessThan(1e-5)
      expect(pipe.unet.config).toEqual(checkpointConfig())
      expect(pipe.scalars.score_sde).toMatchObject({ sha256: origin.sha256, step: BigInt(origin.step!) })
    }
  })
})

test("the raw weights, in half precision too", async () => {
  await using folder = await temporaryFolder()
  const options = { rawWeights: true, onnx: ["fp32", "fp16"] } as const
  const origin = await exportScoreSde(
    checkpoint("checkpoint_8.pth"),
    checkpointConfig(),
    folder.path,
    options,
  )
  expect(origin.weights).toBe("raw")
  for (const [dtype, tolerance] of [
    ["fp32", 1e-5],
    ["fp16", 1e-2],
  ] as const) {
    await using pipe = await ScoreSdePipeline.fromPretrained(folder.path, { ...inline, dtype })
    const output = await pipe.unet.forward(x, checkpointOutputs.labels)
    expect(relativeError(output.data, checkpointOutputs.raw)).toBeLessThan(tolerance)
  }
})

test("a chosen file of a page, and a model saved again, give the same folder", async () => {
  await using folder = await temporaryFolder()
  const [first, second, third] = ["a", "b", "c"].map(name => join(folder.path, name))
  await exportScoreSde(checkpoint("checkpoint_8"), checkpointConfig(), first!)
  await exportScoreSde(
    new File([checkpointBytes("checkpoint_8")], "checkpoint_8"),
    checkpointConfig(),
    second!,
  )
  expect(await contents(second!)).toEqual(await contents(first!))
  await using pipe = await DiffusionPipeline.fromPretrained(first!, inline)
  await pipe.savePretrained(third!)
  const { "README.md": card, ...rest } = await contents(first!)
  expect(card).toBeDefined()
  expect(await contents(third!)).toEqual(rest)
})

test("the gradient is that of the network, and the likelihood comes from it", async () => {
  await using folder = await temporaryFolder()
  await exportScoreSde(checkpoint("checkpoint_8"), checkpointConfig(), folder.path)
  await using pipe = await ScoreSdePipeline.fromPretrained(folder.path, inline)
  const probe = createGenerator("torch", 2).randn(x.shape)
  const { labels } = checkpointOutputs
  const { output, vjp } = await pipe.unet.vjp(x, labels, probe)
  expect(relativeError(output.data, checkpointOutputs.averaged)).toBeLessThan(1e-5)
  const h = 1e-2
  const moved = (by: number) => ({ ...x, data: x.data.map((value, i) => value + by * probe.data[i]!) })
  const [ahead, behind] = [
    await pipe.unet.forward(moved(h), labels),
    await pipe.unet.forward(moved(-h), labels),
  ]
  const dot = (a: Float32Array) => a.reduce((sum, value, i) => sum + value * probe.data[i]!, 0)
  const slope = (dot(ahead.data) - dot(behind.data)) / (2 * h)
  expect(Math.abs(dot(vjp.data) - slope)).toBeLessThan(1e-2 * Math.abs(slope))

  const picture = { ...x, shape: [1, 3, 8, 8], data: x.data.slice(0, 192) }
  const { bitsPerDim, nfe } = await pipe.likelihood(picture, { seed: 0, eps: 0.5, rtol: 1e-2, atol: 1e-2 })
  expect(nfe).toBeGreaterThan(7)
  expect(Number.isFinite(bitsPerDim[0])).toBe(true)
})

test("a checkpoint of another configuration leaves nothing", async () => {
  await using folder = await temporaryFolder()
  const model = join(folder.path, "model")
  const work = exportScoreSde(checkpoint("checkpoint_8"), "ve/cifar10_ncsnpp_continuous", model)
  await expect(work).rejects.toMatchObject({ code: "TENSOR_MISSING" })
  expect(await readdir(folder.path)).toEqual([])
  const unknown = exportScoreSde(checkpoint("checkpoint_8"), "ve/cifar" as never, model)
  await expect(unknown).rejects.toMatchObject({ code: "INVALID_VALUE" })
})

test("another pipeline's class doesn't take the network", async () => {
  await using folder = await temporaryFolder()
  await exportScoreSde(checkpoint("checkpoint_8"), checkpointConfig(), folder.path)
  await expect(ScoreSdeVePipeline.fromPretrained(folder.path, inline)).rejects.toMatchObject({
    code: "COMPONENT_TYPE",
  })
})

describe("sampling", () => {
  test("follows the configuration, and the options of the call", async () => {
    await using folder = await temporaryFolder()
    await exportScoreSde(checkpoint("checkpoint_8"), checkpointConfig(), folder.path)
    await using pipe = await ScoreSdePipeline.fromPretrained(folder.path, inline)
    const { images, nfe } = await pipe({ seed: 1, numInferenceSteps: 4, outputType: "pt" })
    expect(nfe).toBe(4 * (1 + 2))
    const network = (sample: Tensor<"float32">, labels: Float32Array) => pipe.unet.forward(sample, labels)
    const expected = await pcSampler({
      sde: new VESDE({ sigmaMin: 0.01, sigmaMax: 50, N: 4 }),
      score: (sample, t) =>
        network(
          sample,
          t.map(time => 0.01 * 5000 ** time),
        ),
      predictor: "reverse_diffusion",
      corrector: "langevin",
      snr: 0.12,
      nStepsEach: 2,
      shape: [1, 3, 8, 8],
      generator: createGenerator("torch", 1),
    })
    const clipped = Array.from(expected.x.data, value => Math.min(Math.max(value, 0), 1))
    expect(relativeError(images.data, clipped)).toBeLessThan(1e-4)

    const whole = await pipe({ seed: 1 })
    expect(whole.nfe).toBe(20 * 3)
    const alone = await pipe({ seed: 1, numInferenceSteps: 3, corrector: "none" })
    expect(alone.nfe).toBe(3)
    const fast = await pipe({ seed: 1, sampler: "dpmpp_2m", numInferenceSteps: 5 })
    expect(fast.nfe).toBe(5)
    await expect(pipe({ predictor: "nothing" })).rejects.toMatchObject({ code: "UNKNOWN_NAME" })
    await expect(pipe({ snr: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
  })

  /** A pipeline on a network that returns zeros and notes its labels. */
  function withFakeNetwork(scheduler: ScoreSdeScheduler) {
    const labels: number[] = []
    const unet = {
      inChannels: 1,
      outChannels: 1,
      size: [2, 2],
      dtype: "fp32",
      async forward(sample: Tensor<"float32">, timestep: Float32Array) {
        labels.push(timestep[0]!)
        return { ...sample, data: new Float32Array(sample.data.length) }
      },
    } as unknown as ScoreNetworkModel
    return { pipe: new ScoreSdePipeline({ unet, scheduler }), labels }
  }

  /** A picture of noise in [0, 1], of which the left half is known. */
  function halfKnown(channels: number, side: number) {
    const shape = [1, channels, side, side]
    const data = createGenerator("torch", 5)
      .randn(shape)
      .data.map(value => Math.abs(Math.sin(value)))
    const mask = Float32Array.from({ length: side * side }, (_, i) => (i % side < side / 2 ? 1 : 0))
    return {
      image: { dtype: "float32", shape, data } as Tensor<"float32">,
      mask: { dtype: "float32", shape: [1, 1, side, side], data: mask } as Tensor<"float32">,
      known: (values: ArrayLike<number>) =>
        Array.from(values).filter((_, i) => mask[i % (side * side)] === 1),
    }
  }

  test("inpaints with the network and the settings of a checkpoint", async () => {
    await using folder = await temporaryFolder()
    await exportScoreSde(checkpoint("checkpoint_8"), checkpointConfig(), folder.path)
    await using pipe = await ScoreSdePipeline.fromPretrained(folder.path, inline)
    const { image, mask, known } = halfKnown(3, 8)
    const inpaint = new ScoreSdeInpaintPipeline(pipe)
    const { images, nfe } = await inpaint({ image, mask, seed: 1, numInferenceSteps: 4, outputType: "pt" })
    expect(nfe).toBe(4 * (1 + 2))
    expect(relativeError(known(images.data), known(image.data))).toBeLessThan(1e-6)
    expect(Array.from(images.data)).not.toEqual(Array.from(image.data))
  })

  test("inpaints with a model of the sub-VP SDE", async () => {
    const { pipe } = withFakeNetwork(
      ScoreSdeScheduler.fromScoreSde(scoreSdeConfig("subvp/cifar10_ddpmpp_continuous")),
    )
    const { image, mask, known } = halfKnown(1, 2)
    const inpaint = new ScoreSdeInpaintPipeline(pipe)
    const { images } = await inpaint({ image, mask, seed: 1, numInferenceSteps: 5, outputType: "pt" })
    expect(relativeError(known(images.data), known(image.data))).toBeLessThan(1e-3)
    expect(Array.from(images.data).every(value => value >= 0 && value <= 1)).toBe(true)
  })

  test("with fewer steps than a discrete network was trained on gives it the numbers of its own levels", async () => {
    const vp = withFakeNetwork(ScoreSdeScheduler.fromScoreSde(scoreSdeConfig("vp/ddpm/cifar10")))
    await vp.pipe({ seed: 0, numInferenceSteps: 25, outputType: "pt" })
    expect(vp.labels).toHaveLength(25)
    expect(vp.labels[0]).toBe(999)
    expect(vp.labels.at(-1)).toBeCloseTo(0.999, 5)
    const ve = withFakeNetwork(
      ScoreSdeScheduler.fromScoreSde(scoreSdeConfig("ve/ncsn/cifar10", { sampling: { nStepsEach: 1 } })),
    )
    await ve.pipe({ seed: 0, outputType: "pt" })
    expect(ve.labels).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test("by the ODE where the configuration says so", async () => {
    const changes = { sampling: { method: "ode" } } as const
    const config = scoreSdeConfig("vp/cifar10_ddpmpp_continuous", changes)
    const { pipe, labels } = withFakeNetwork(ScoreSdeScheduler.fromScoreSde(config))
    const { images, nfe } = await pipe({ seed: 0, outputType: "pt" })
    expect(nfe).toBe(labels.length)
    expect(labels.at(-1)).toBeCloseTo(0.999, 5) // the step that removes the noise
    expect(images.shape).toEqual([1, 1, 2, 2])
  })

  test("with NaN from the network says the step and σ", async () => {
    const { pipe } = withFakeNetwork(new ScoreSdeScheduler())
    Object.assign(pipe.unet, {
      forward: async (sample: Tensor<"float32">) => ({ ...sample, data: sample.data.map(() => Number.NaN) }),
    })
    await expect(pipe({ seed: 0 })).rejects.toThrow(/NaN .*step 1 of 1000.*σ = 50/)
  })
})

describe("the settings of each configuration", () => {
  const kinds = { vesde: VESDE, vpsde: VPSDE, subvpsde: SubVPSDE }

  test.each(scoreSdeConfigNames)("%s", name => {
    const config = scoreSdeConfig(name)
    const scheduler = ScoreSdeScheduler.fromScoreSde(config)
    const sde = scheduler.createSde()
    expect(sde).toBeInstanceOf(kinds[config.training.sde])
    expect(sde.N).toBe(config.model.numScales)
    expect(sde.samplingEps).toBe(name.startsWith("ve/") ? 1e-5 : 1e-3)
    expect(scheduler.range).toEqual(config.data.centered ? [-1, 1] : [0, 1])
    expect(scheduler.config).toMatchObject(config.sampling)
    expect(scheduler.config.continuous).toBe(config.training.continuous)
    // As the file has it.
    const read = ScoreSdeScheduler.fromConfig(JSON.parse(scheduler.toJsonString()))
    expect(read.config).toEqual(scheduler.config)
  })
})

test.each([
  [{ sigmaMin: 60 }, /sigmaMin/],
  [{ betaMin: 30 }, /betaMin/],
  [{ snr: 0 }, /snr/],
  [{ numTrainTimesteps: 1 }, /numTrainTimesteps/],
  [{ sde: "subvpsde", continuous: false }, /continuous/],
  [{ sde: "cosine" as never }, /sde/],
] as const)("settings that make no sense: %j", (settings, message) => {
  expect(() => new ScoreSdeScheduler(settings)).toThrow(message)
})
