import { describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import type { PictureLikelihoodOptions } from "../../src/pipelines/flow-operations.ts"
import type { PictureInput } from "../../src/pipelines/picture-input.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { slerp } from "../../src/sde/latents.ts"
import type { Tensor } from "../../src/tensor.ts"
import { gaussianAt } from "../sde/gaussian.ts"
import { gaussian, sharedGaussianPipeline } from "./gaussian-model.ts"

const pipe = await sharedGaussianPipeline()

const count = 5
const pictures: Tensor<"float32"> = {
  dtype: "float32",
  shape: [count, 1, 4, 4],
  data: Float32Array.from({ length: count * 16 }, (_, i) => 0.4 + 0.3 * Math.sin(3 * i)),
}
const bytes: Tensor<"uint8"> = {
  dtype: "uint8",
  shape: [count, 4, 4, 1],
  data: Uint8Array.from(pictures.data, value => Math.round(255 * value)),
}

/** Bits per number where a Gaussian flows from eps to the prior, in closed form. */
function exactBits(x: Float32Array, eps: number): number {
  const { sde } = pipe.scoreModel()
  const [mean, variance] = gaussianAt(sde, gaussian, eps)
  const [endMean, endVariance] = gaussianAt(sde, gaussian, 1)
  const gain = Math.sqrt(endVariance / variance)
  const z = x.map(value => endMean + (value - mean) * gain)
  const prior = sde.priorLogp({ dtype: "float32", shape: [1, z.length], data: z })[0]!
  return -(prior + z.length * Math.log(gain)) / z.length / Math.LN2 + 8
}

describe("likelihood of a Gaussian whose network is an ONNX graph written by hand", () => {
  it.each<[string, PictureLikelihoodOptions]>([
    ["by a Rademacher probe", {}],
    ["by several Gaussian probes", { probe: "gaussian", probes: 3 }],
    ["in batches, each picture with its own steps", { batchSize: 2, stepSize: "sample" }],
    ["exactly", { probe: "exact", batchSize: 5 }],
  ])("%s, to 1e-4 bits", async (_, options) => {
    const result = await pipe.likelihood(pictures, { dequantize: false, seed: 0, ...options })
    const loose = options.probe === "gaussian" // whose estimate of a multiple of I is a random number
    result.bitsPerDim.forEach((bits, b) => {
      const exact = exactBits(pictures.data.slice(16 * b, 16 * b + 16), 1e-5)
      const error = Math.abs(bits - exact)
      expect(error).toBeLessThan(loose ? 6 * result.standardError![b]! + 1e-3 : 1e-4)
    })
    expect(result.bitsPerDim).toHaveLength(count)
    expect(result.standardError?.length).toBe(options.probes ? count : undefined)
    expect(result.latents.shape).toEqual(pictures.shape)
    const { mean, std, sigmaMax } = gaussian
    const gain = Math.hypot(std, sigmaMax) / std
    const z = pictures.data.map(value => mean + (value - mean) * gain)
    expect(Math.max(...result.latents.data.map((value, i) => Math.abs(value - z[i]!)))).toBeLessThan(0.15)
  })

  it("counts every evaluation, and reports them over batches and probes", async () => {
    const seen: number[] = []
    const result = await pipe.likelihood(pictures, {
      probes: 2,
      batchSize: 3,
      seed: 0,
      onProgress: ({ step, totalSteps, nfe }) => {
        expect(totalSteps).toBe(4000)
        expect(nfe).toBe(seen.length + 1)
        seen.push(step)
      },
    })
    expect(result.nfe).toBe(seen.length)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(seen.at(-1)).toBeGreaterThan(3500)
  })

  it("dequantises 8-bit colours: picture i's noise depends on the seed and i alone", async () => {
    const whole = await pipe.likelihood(bytes, { seed: 3, stepSize: "sample" })
    const parts = await pipe.likelihood(bytes, { seed: 3, stepSize: "sample", batchSize: 2 })
    whole.bitsPerDim.forEach((bits, b) => {
      expect(Math.abs(bits - parts.bitsPerDim[b]!)).toBeLessThan(1e-5)
      // (255·x + u)/256 lies within 1/256 of x.
      const between = exactBits(pictures.data.slice(16 * b, 16 * b + 16), 1e-5)
      expect(Math.abs(bits - between)).toBeLessThan(0.05)
      expect(bits).not.toBeCloseTo(between, 5)
    })
  })

  it("takes a probe, and stops when asked", async () => {
    const probe = { ...pictures, data: pictures.data.map((_, i) => (i % 3 ? 1 : -1)) }
    const { bitsPerDim } = await pipe.likelihood(pictures, { dequantize: false, probe, batchSize: 2 })
    expect(Math.abs(bitsPerDim[4]! - exactBits(pictures.data.slice(64), 1e-5))).toBeLessThan(1e-4)
    const controller = new AbortController()
    const stopped = pipe.likelihood(pictures, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" })
  })
})

describe("latents", () => {
  it("lead back to the pictures, and are where the flow leads", async () => {
    const { latents, nfe } = await pipe.encode(pictures, { batchSize: 2 })
    expect(nfe).toBeGreaterThan(20)
    const { mean, std, sigmaMax } = gaussian
    const gain = Math.hypot(std, sigmaMax) / Math.hypot(std, gaussian.sigmaMin)
    const wanted = pictures.data.map(value => mean + (value - mean) * gain)
    expect(Math.max(...latents.data.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(0.05)
    const { images } = await pipe.decode(latents, { outputType: "pt" })
    expect(Math.max(...images.data.map((value, i) => Math.abs(value - pictures.data[i]!)))).toBeLessThan(1e-3)
  })

  it("of Image values and bytes are the same, and interpolate", async () => {
    const images = Image.fromTensor(pictures)
    const [a, b] = await Promise.all([pipe.encode(images), pipe.encode(bytes)])
    expect(Math.max(...a.latents.data.map((value, i) => Math.abs(value - b.latents.data[i]!)))).toBeLessThan(
      1e-2,
    )
    const back = await pipe.decode(slerp(a.latents, b.latents, 0.5))
    expect(back.images.map(image => [...image.data])).toEqual(images.map(image => [...image.data]))
  })
})

describe("bad input", () => {
  const small = { ...pictures, shape: [20, 1, 2, 2] }
  it.each<[string, unknown, object, string]>([
    ["numbers beyond the scaler", { ...pictures, data: pictures.data.map(x => 2 * x) }, {}, "go from 0 to 1"],
    ["NaN", { ...pictures, data: pictures.data.map(() => Number.NaN) }, {}, "The pictures hold NaN"],
    ["pictures of another size", small, {}, "the model's are [N, 1, 4, 4]"],
    ["an Image of another size", Image.fromTensor(small), {}, "Picture 0 is 2 × 2"],
    ["no pictures", [], {}, "There are no pictures"],
    ["what is no picture", ["a.png"], {}, "Picture 0 is no Image"],
    ["another type", { ...pictures, dtype: "int64" }, {}, "float32 or uint8, not int64"],
    ["a probe of another shape", pictures, { probe: small }, "probe has the shape [20, 1, 2, 2]"],
    ["no probes", pictures, { probes: 0 }, "probes"],
    ["eps beyond the end", pictures, { eps: 2 }, "eps is 2"],
    ["no batch", pictures, { batchSize: 0 }, "batchSize"],
  ])("%s is refused", async (_, input, options, message) => {
    await expect(pipe.likelihood(input as PictureInput, options)).rejects.toMatchObject({
      name: "InputError",
      message: expect.stringContaining(message),
    })
  })

  it("latents of another shape, or not finite, are refused", async () => {
    await expect(pipe.decode(small)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
    const infinite = { ...pictures, data: pictures.data.map(() => Number.POSITIVE_INFINITY) }
    await expect(pipe.decode(infinite)).rejects.toThrow("The latents hold Infinity")
  })
})

describe("the model that ships", () => {
  it("leads latents back to the pictures, with a likelihood that differences of its score confirm", async () => {
    await using emoji = await DiffusionPipeline.fromPretrained("models/ncsnpp-emoji-32")
    const generator = new PhiloxGenerator(5)
    // Whatever the model says of it, the two ways of computing it must agree.
    const smooth = generator.rand([1, 3, 32, 32])
    smooth.data.forEach((u, i) => {
      smooth.data[i] = 0.5 + 0.3 * Math.sin(i / 40) + 0.05 * u
    })
    const { latents } = await emoji.encode(smooth, { rtol: 1e-4, atol: 1e-4 })
    const { images } = await emoji.decode(latents, { rtol: 1e-4, atol: 1e-4, outputType: "pt" })
    expect(Math.max(...images.data.map((x, i) => Math.abs(x - smooth.data[i]!)))).toBeLessThan(6e-2)

    const { sde, score, divergence } = emoji.scoreModel()
    const probe = generator.randint(0, 2, [1, 3, 32, 32])
    const e = { ...smooth, data: Float32Array.from(probe.data, bit => 2 * Number(bit) - 1) }
    const x = { ...smooth, data: latents.data.map((z, i) => z / 3 + smooth.data[i]!) }
    const t = Float32Array.of(sde.timeAt(5))
    const along = (h: number) => score({ ...x, data: x.data.map((v, i) => v + h * e.data[i]!) }, t)
    const [ahead, behind] = [await along(0.1), await along(-0.1)]
    const slope = e.data.reduce((sum, p, i) => sum + (p * (ahead.data[i]! - behind.data[i]!)) / 0.2, 0)
    const found = await divergence(x, t, e)
    expect(Math.abs(found.divergence[0]! / slope - 1)).toBeLessThan(1e-3)
  })
})
