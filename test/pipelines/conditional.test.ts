import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import type { NoisyClassifier } from "../../src/models/wideresnet/classifier.ts"
import { ScoreSdeClassConditionalPipeline } from "../../src/pipelines/class-conditional.ts"
import { ScoreSdeColorizationPipeline } from "../../src/pipelines/colorization.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { type InpaintOptions, ScoreSdeInpaintPipeline } from "../../src/pipelines/inpaint.ts"
import type { StepCallback } from "../../src/pipelines/options.ts"
import { ScoreSdeRestorationPipeline } from "../../src/pipelines/restoration.ts"
import { ScoreSdeUpscalePipeline } from "../../src/pipelines/upscale.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import type { Device } from "../../src/runtime/device.ts"
import { linearMeasurement } from "../../src/sde/measurements.ts"
import type { Tensor } from "../../src/tensor.ts"
import fixtures from "../fixtures/sde/golden.json" with { type: "json" }
import { gradient } from "../image/pictures.ts"
import { ColorizerGenerator, maskOf } from "../sde/golden-runs.ts"
import { formula } from "../sde/mixture.ts"
import { goldenModel } from "./formula-network.ts"
import { gaussian, sharedGaussianModel, sharedGaussianPipeline } from "./gaussian-model.ts"

const inline = { worker: false, threads: 1 } as const

/** The samples themselves, before they are clamped into pictures. */
function unclamped(): { readonly callbackOnStepEnd: StepCallback; readonly x: () => Tensor<"float32"> } {
  let x: Tensor<"float32">
  return {
    callbackOnStepEnd: (_pipe, _step, _time, { denoised }) => {
      x = denoised
    },
    x: () => x,
  }
}

describe("score_sde's own runs through the pipelines", () => {
  const shape = [2, 3, 8, 8]
  const image = formula(j => 0.5 + 0.4 * Math.cos(0.05 * j), shape)
  const entries = fixtures.controllable.filter(({ sde }) => sde !== "subvp")

  describe.each<["ve" | "vp", Device]>([
    ["ve", "cpu"],
    ["vp", "cpu"],
    ["ve", "wasm"],
  ])("%s on %s", (sde, device) => {
    let folder: Awaited<ReturnType<typeof goldenModel>>
    let pipe: DiffusionPipeline
    beforeAll(async () => {
      folder = await goldenModel(sde)
      pipe = await DiffusionPipeline.fromPretrained(folder.path, { ...inline, device })
    })
    afterAll(async () => {
      await pipe.dispose()
      await folder[Symbol.asyncDispose]()
    })

    it.each(entries.filter(entry => entry.sde === sde).slice(0, device === "wasm" ? 1 : 3))(
      "$task, $predictor, $corrector",
      async entry => {
        const { callbackOnStepEnd, x } = unclamped()
        const { predictor, corrector, n_steps: nStepsEach, N: numInferenceSteps } = entry
        const how = { predictor, corrector, nStepsEach, numInferenceSteps, snr: 0.16, compat: true }
        const settings = { image, ...how, callbackOnStepEnd, outputType: "pt" as const }
        await (entry.task === "inpaint"
          ? new ScoreSdeInpaintPipeline(pipe)({
              ...settings,
              mask: maskOf(shape),
              generator: new TorchGenerator(0),
            })
          : new ScoreSdeColorizationPipeline(pipe)({ ...settings, generator: new ColorizerGenerator(0) }))
        const { data } = x()
        const error = entry.values.map((value, i) =>
          Math.abs((sde === "ve" ? data[8 * i]! : (data[8 * i]! + 1) / 2) - value),
        )
        expect(Math.max(...error) / entry.largest).toBeLessThan(device === "cpu" ? 2e-5 : 1e-4)
      },
    )
  })
})

describe("conditional pipelines", async () => {
  const folder = await sharedGaussianModel()
  const pipe = await sharedGaussianPipeline(folder)
  const inpaint = new ScoreSdeInpaintPipeline(pipe)
  // Independent numbers N(0.4, 0.25²), 4 × 4 of one channel.
  const picture = gradient(4, 4, 1)
  const left = Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 1 : 0))
  const mask = new Image({ width: 4, height: 4, channels: 1, data: Uint8Array.from(left, x => 255 * x) })
  const settings = { numInferenceSteps: 60, seed: 3, outputType: "pt" } as const

  beforeAll(async () => {
    await picture.save(join(folder, "picture.png"))
    await mask.save(join(folder, "mask.png"))
  })

  /** Where a mask of the left half keeps a picture, for each of `count` pictures. */
  function expectKept(images: Tensor<"float32">, count: number, of: Image = picture): void {
    expect(images.shape).toEqual([count, 1, 4, 4])
    const known = of.toTensor().data
    for (const [i, value] of images.data.entries()) {
      if (left[i % 16] === 1) expect(value).toBeCloseTo(known[i % 16]!, 6)
    }
  }

  it("keeps the known part to the bit of a byte, and fills the rest as the model's pictures are", async () => {
    const { images, nfe } = await inpaint({ ...settings, image: picture, mask, numImagesPerInput: 200 })
    expectKept(images, 200)
    expect(nfe).toBe(120)
    const filled = images.data.filter((_, i) => left[i % 16] === 0)
    const mean = filled.reduce((sum, value) => sum + value, 0) / filled.length
    // Clamped to [0, 1], N(0.4, 0.25²) has this mean to 0.005.
    expect(Math.abs(mean - gaussian.mean)).toBeLessThan(0.03)
    expect(new Set(filled).size).toBeGreaterThan(1000)
    const { images: bytes } = await inpaint({ ...settings, outputType: "image", image: picture, mask })
    for (const [i, byte] of bytes[0].data.entries()) if (left[i] === 1) expect(byte).toBe(picture.data[i])
  })

  it("removes the noise of the filled part, and leaves it there in compat", async () => {
    const residue = async (compat: boolean, eps?: number) => {
      const { callbackOnStepEnd, x } = unclamped()
      let noisy: Tensor<"float32">
      await inpaint({
        ...settings,
        image: picture,
        mask,
        compat,
        eps,
        corrector: "none",
        callbackOnStepEnd: (pipeline, step, time, state) => {
          noisy = state.latents
          callbackOnStepEnd(pipeline, step, time, state)
        },
      })
      return x().data.filter((value, i) => left[i] === 0 && value !== noisy.data[i]).length
    }
    expect(await residue(false)).toBe(8)
    expect(await residue(true)).toBe(0)
  })

  it.each<[string, (folder: string) => Partial<InpaintOptions> | Promise<Partial<InpaintOptions>>]>([
    ["files", folder => ({ image: join(folder, "picture.png"), mask: join(folder, "mask.png") })],
    [
      "URLs",
      async folder => ({ image: pathToFileURL(join(folder, "picture.png")), mask: await dataUrl(mask) }),
    ],
    [
      "the bytes of files",
      async () => ({ image: await picture.toPng(), mask: new Blob([await mask.toPng()]) }),
    ],
    ["tensors", () => ({ image: picture.toTensor(), mask: mask.toTensor() })],
    [
      "a mask [H, W] of truth values",
      () => ({ mask: { dtype: "bool", shape: [4, 4], data: Uint8Array.from(left) } }),
    ],
    [
      "a mask of another convention",
      () => ({
        maskWhite: "fill",
        mask: new Image({
          width: 4,
          height: 4,
          channels: 1,
          data: Uint8Array.from(left, x => 200 * (1 - x)),
        }),
      }),
    ],
    [
      "alpha as the mask",
      () => {
        const data = Uint8Array.from({ length: 32 }, (_, i) =>
          i % 2 === 0 ? picture.data[i / 2]! : 255 * left[(i - 1) / 2]!,
        )
        return { image: new Image({ width: 4, height: 4, channels: 2, data }), mask: undefined }
      },
    ],
    [
      "a mask that was painted on nothing",
      () => {
        const data = Uint8Array.from({ length: 64 }, (_, i) => (i % 4 < 3 ? 255 : 255 * left[(i - 3) / 4]!))
        return { mask: new Image({ width: 4, height: 4, channels: 4, data }) }
      },
    ],
  ])("takes %s", async (_, forms) => {
    const few = { ...settings, numInferenceSteps: 5 }
    const { images: expected } = await inpaint({ ...few, image: picture, mask })
    const { images } = await inpaint({
      ...few,
      image: picture,
      mask,
      ...forms(folder),
    } as InpaintOptions<"pt">)
    expect(images.shape).toEqual([1, 1, 4, 4])
    expect(Math.max(...images.data.map((x, i) => Math.abs(x - expected.data[i]!)))).toBeLessThan(1e-6)
  })

  it("takes one mask for all or one for each, one picture for several masks, and several pictures of each", async () => {
    const few = { ...settings, numInferenceSteps: 3 }
    const other = new Image({ ...picture, data: picture.data.map(x => 255 - x) })
    const { images: each } = await inpaint({ ...few, image: [picture, other], mask: [mask, mask] })
    const { images: all } = await inpaint({ ...few, image: [picture, other], mask })
    expect(all.data).toEqual(each.data)
    const { images: two } = await inpaint({ ...few, image: picture, mask: [mask, mask] })
    expectKept(two, 2)
    const { images } = await inpaint({ ...few, image: [picture, other], mask, numImagesPerInput: 2 })
    const rows = [0, 1, 2, 3].map(i => ({
      ...images,
      shape: [1, 1, 4, 4],
      data: images.data.slice(16 * i, 16 * (i + 1)),
    }))
    expectKept(rows[0]!, 1)
    expectKept(rows[1]!, 1)
    expectKept(rows[2]!, 1, other)
    expectKept(rows[3]!, 1, other)
    expect(rows[0]!.data).not.toEqual(rows[1]!.data)
  })

  it("enlarges: averages over squares are the small picture's", async () => {
    const small = gradient(2, 2, 1)
    const upscale = new ScoreSdeUpscalePipeline(pipe)
    const { callbackOnStepEnd, x } = unclamped()
    const { images } = await upscale({ ...settings, image: small, callbackOnStepEnd })
    expect(images.shape).toEqual([1, 1, 4, 4])
    const { data } = x()
    for (const [row, column] of [
      [0, 0],
      [0, 2],
      [2, 0],
      [2, 2],
    ] as const) {
      const square = [0, 1, 4, 5].map(i => data[4 * row + column + i]!)
      const mean = square.reduce((sum, value) => sum + value, 0) / 4
      expect(mean).toBeCloseTo(small.data[row + column / 2]! / 255, 5)
      expect(Math.max(...square) - Math.min(...square)).toBeGreaterThan(0.01)
    }
    const { images: fromTensor } = await upscale({ ...settings, image: small.toTensor() })
    expect(fromTensor.data).toEqual(images.data)
  })

  it("agrees with any linear measurement", async () => {
    // The sum of all numbers, of each of two pictures.
    const y: Tensor<"float32"> = { dtype: "float32", shape: [2], data: Float32Array.of(4, 8) }
    const measure = (x: Tensor<"float32">): Tensor<"float32"> => {
      expect(x.shape[0]).toBe(2)
      const sums = [0, 1].map(b => x.data.slice(16 * b, 16 * (b + 1)).reduce((sum, value) => sum + value, 0))
      return { dtype: "float32", shape: [2], data: Float32Array.from(sums) }
    }
    const pseudoInverse = (sums: Tensor<"float32">): Tensor<"float32"> => ({
      dtype: "float32",
      shape: [2, 1, 4, 4],
      data: Float32Array.from({ length: 32 }, (_, i) => sums.data[Math.floor(i / 16)]! / 16),
    })
    const { callbackOnStepEnd, x } = unclamped()
    const restore = new ScoreSdeRestorationPipeline(pipe)
    const measurement = linearMeasurement(y, measure, pseudoInverse)
    await restore({ ...settings, measurement, numImagesPerInput: 3, callbackOnStepEnd })
    const sums = Array.from({ length: 6 }, (_, b) =>
      x()
        .data.slice(16 * b, 16 * (b + 1))
        .reduce((sum, value) => sum + value, 0),
    )
    expect(sums).toEqual([4, 4, 4, 8, 8, 8].map(sum => expect.closeTo(sum, 3)))
  })

  // Two classes of pictures, of which N(0.4, 0.25²) is the mixture: p(1 | x) = sigmoid(Σ(x − 0.4)·k/(1 + σ²/0.25²)).
  const classifier: NoisyClassifier = {
    numClasses: 2,
    async gradient(x, sigma, labels) {
      const data = new Float32Array(x.data.length)
      for (const [b, label] of labels.entries()) {
        const slope = 8 / (1 + (sigma[b]! / gaussian.std) ** 2)
        const own = x.data.slice(16 * b, 16 * (b + 1))
        const logit = own.reduce((sum, value) => sum + slope * (value - gaussian.mean), 0)
        const sign = label === 1 ? 1 : -1
        data.fill((sign * slope) / (1 + Math.exp(sign * logit)), 16 * b, 16 * (b + 1))
      }
      return { ...x, data }
    },
  }

  it("makes pictures of a class, more typical ones for a greater scale, with any sampler", async () => {
    const guided = new ScoreSdeClassConditionalPipeline(pipe, { classifier })
    const means = async (options: object): Promise<number[]> => {
      const { images } = await guided({ ...settings, classLabels: [0, 0, 0, 0, 1, 1, 1, 1], ...options })
      return [0, 1].map(label => {
        const half = images.data.slice(64 * label, 64 * (label + 1))
        return half.reduce((sum, value) => sum + value, 0) / 64
      })
    }
    const [low, high] = await means({})
    expect(low).toBeLessThan(gaussian.mean - 0.02)
    expect(high).toBeGreaterThan(gaussian.mean + 0.02)
    const [lower, higher] = await means({ guidanceScale: 8 })
    expect(higher! - lower!).toBeGreaterThan(high! - low! + 0.02)
    const [heunLow, heunHigh] = await means({ sampler: "heun", numInferenceSteps: 12 })
    expect(heunHigh! - heunLow!).toBeGreaterThan(0.04)
    const { images } = await guided({ ...settings, numInferenceSteps: 2, classLabels: 1, batchSize: 3 })
    expect(images.shape[0]).toBe(3)
  })

  it("guides what is filled in, too", async () => {
    const guided = new ScoreSdeInpaintPipeline(pipe, { classifier })
    const filled = async (classLabels: number) => {
      const options = { image: picture, mask, numImagesPerInput: 4, classLabels, guidanceScale: 4 }
      const { images } = await guided({ ...settings, ...options })
      expectKept(images, 4)
      return images.data.reduce((sum, value, i) => sum + (left[i % 16] === 0 ? value : 0), 0) / 32
    }
    expect(await filled(1)).toBeGreaterThan((await filled(0)) + 0.1)
  })

  it("reports progress, gives the same for the same seed, and starts from given noise", async () => {
    const few = { ...settings, numInferenceSteps: 4, image: picture, mask }
    const seen: [number, number, number][] = []
    const first = await inpaint({
      ...few,
      onProgress: ({ step, totalSteps, nfe }) => seen.push([step, totalSteps, nfe]),
      callbackOnStepEnd: self => {
        expect(self).toBe(pipe)
      },
    })
    expect(seen).toEqual([1, 2, 3, 4].map(step => [step, 4, 2 * step]))
    expect((await inpaint(few)).images.data).toEqual(first.images.data)
    expect((await inpaint({ ...few, seed: 4 })).images.data).not.toEqual(first.images.data)
    const generator = new TorchGenerator(3)
    const latents = generator.randn([1, 1, 4, 4])
    const { seed, ...unseeded } = few
    expect((await inpaint({ ...unseeded, generator, latents })).images.data).toEqual(first.images.data)
  })

  it("stops between two evaluations when aborted", async () => {
    const controller = new AbortController()
    let steps = 0
    const work = inpaint({
      ...settings,
      image: picture,
      mask,
      signal: controller.signal,
      onProgress: ({ step }) => {
        steps = step
        if (step === 2) controller.abort()
      },
    })
    await expect(work).rejects.toMatchObject({ code: "ABORTED" })
    expect(steps).toBe(2)
  })

  it.each<[string, object, string]>([
    ["no mask", { mask: undefined }, "INVALID_ARGUMENT"],
    ["a mask of another size", { mask: gradient(8, 4, 1) }, "SHAPE_MISMATCH"],
    ["a mask tensor of another size", { mask: gradient(8, 4, 1).toTensor() }, "SHAPE_MISMATCH"],
    ["a mask of other numbers", { mask: formula(() => 0.5, [4, 4]) }, "INVALID_ARGUMENT"],
    [
      "two masks for three pictures",
      { image: [picture, picture, picture], mask: [mask, mask] },
      "SHAPE_MISMATCH",
    ],
    ["no picture", { image: [] }, "INVALID_ARGUMENT"],
    ["nothing", { image: undefined }, "INVALID_ARGUMENT"],
    ["a picture of another size", { image: gradient(5, 4, 1) }, "SHAPE_MISMATCH"],
    ["a tensor of other numbers", { image: formula(() => 2, [1, 1, 4, 4]) }, "INVALID_ARGUMENT"],
    ["a missing file", { image: "/no/such/picture.png" }, "FILE_NOT_FOUND"],
    ["no picture's bytes", { image: Uint8Array.of(1, 2, 3) }, "UNSUPPORTED_FORMAT"],
    ["an unknown convention", { maskWhite: "known" }, "INVALID_ARGUMENT"],
    ["no pictures of each", { numImagesPerInput: 0 }, "INVALID_ARGUMENT"],
    ["one step", { numInferenceSteps: 1 }, "INVALID_ARGUMENT"],
    ["an snr of 0", { corrector: "langevin", snr: 0 }, "INVALID_ARGUMENT"],
    ["an unknown predictor", { predictor: "euler" }, "UNKNOWN_NAME"],
    ["a label without a classifier", { classLabels: 1 }, "NOT_SET_UP"],
    ["a scale without a label", { guidanceScale: 2 }, "INVALID_ARGUMENT"],
  ])("refuses %s", async (_, changes, code) => {
    const options = { ...settings, image: picture, mask, ...changes } as InpaintOptions<"pt">
    await expect(inpaint(options)).rejects.toMatchObject({ code })
  })

  it("refuses labels that are none, sizes that don't fit, and models without colours", async () => {
    const guided = new ScoreSdeClassConditionalPipeline(pipe, { classifier })
    for (const classLabels of [2, -1, 0.5]) {
      await expect(guided({ ...settings, classLabels })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
    }
    const three = guided({ ...settings, classLabels: [0, 1], batchSize: 3 })
    await expect(three).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
    const scale = guided({ ...settings, classLabels: 0, guidanceScale: Number.NaN })
    await expect(scale).rejects.toMatchObject({ code: "INVALID_ARGUMENT" })
    const upscale = new ScoreSdeUpscalePipeline(pipe)
    for (const image of [gradient(3, 3, 1), gradient(2, 1, 1), gradient(8, 8, 1)]) {
      await expect(upscale({ ...settings, image })).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
    }
    const colorize = new ScoreSdeColorizationPipeline(pipe)
    await expect(colorize({ ...settings, image: picture })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    })
    expect(() => new ScoreSdeInpaintPipeline(pipe.components as never)).toThrow(
      expect.objectContaining({ code: "COMPONENT_TYPE" }),
    )
    const ofCifar = { ...classifier, shape: [3, 32, 32] as const }
    expect(() => new ScoreSdeInpaintPipeline(pipe, { classifier: ofCifar })).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    )
  })

  it("loads a model by itself", async () => {
    await using own = await ScoreSdeInpaintPipeline.fromPretrained(folder, { ...inline, classifier })
    expect(own.classifier).toBe(classifier)
    const few = { ...settings, numInferenceSteps: 3, image: picture, mask }
    expect((await own(few)).images.data).toEqual((await inpaint(few)).images.data)
  })
})

async function dataUrl(image: Image): Promise<string> {
  return `data:image/png;base64,${Buffer.from(await image.toPng()).toString("base64")}`
}
