import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { UNet2DConfig } from "../../src/models/unet2d/config.ts"
import { takeRows } from "../../src/pipelines/batches.ts"
import { DDIMPipeline } from "../../src/pipelines/ddim.ts"
import { ScoreSdeInpaintPipeline } from "../../src/pipelines/inpaint.ts"
import { KarrasVePipeline } from "../../src/pipelines/karras-ve.ts"
import { ScoreSdeVpPipeline } from "../../src/pipelines/score-sde-vp.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { KarrasVeScheduler } from "../../src/schedulers/karras-ve.ts"
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.ts"
import type { Tensor } from "../../src/tensor.ts"
import { networkFiles, temporaryFolder, writeModel } from "./tiny-model.ts"

const folders: AsyncDisposable[] = []

/** A pipeline with the plain network, changed so. */
async function pipeline(changes: Partial<UNet2DConfig>): Promise<DDIMPipeline> {
  const folder = await temporaryFolder()
  folders.push(folder)
  const classes = { className: "DDIMPipeline", schedulerClass: "DDIMScheduler" }
  await writeModel(folder.path, classes, await networkFiles(changes))
  return await DDIMPipeline.fromPretrained(folder.path, { worker: false, threads: 1 })
}

let pipe: DDIMPipeline
let plain: DDIMPipeline
let identity: DDIMPipeline
beforeAll(async () => {
  pipe = await pipeline({ numClassEmbeds: 3 })
  plain = await pipeline({})
  identity = await pipeline({ classEmbedType: "identity" })
})
afterAll(() => Promise.all([pipe, plain, identity, ...folders].map(one => one[Symbol.asyncDispose]())))

const latents = new PhiloxGenerator(1).randn([2, 3, 8, 8])
const pictures: Tensor<"float32"> = { ...latents, data: latents.data.map(z => 1 / (1 + Math.exp(-z))) }
const classLabels = [0, 2]
/** Few and coarse steps of an ODE, of which only the labels are looked at. */
const coarse = { rtol: 0.1, atol: 0.1, stepSize: "sample" } as const

function distance(a: Tensor<"float32">, b: Tensor<"float32">): number {
  expect(a.shape).toEqual(b.shape)
  return Math.max(...a.data.map((value, i) => Math.abs(value - b.data[i]!)))
}

/** Checks that picture i of a call with `classLabels` is that of a call for it alone, and that the class matters. */
async function expectOwnClasses(
  call: (options: object, i?: number) => Promise<Tensor<"float32">>,
): Promise<void> {
  const both = await call({ classLabels })
  for (const [i, label] of classLabels.entries()) {
    const alone = await call({ classLabels: label }, i)
    expect(distance(takeRows(both, i, 1), alone)).toBeLessThan(1e-4)
    expect(distance(alone, await call({ classLabels: 1 }, i))).toBeGreaterThan(1e-3)
  }
}

const row = (tensor: Tensor<"float32">, i: number | undefined): Tensor<"float32"> =>
  i === undefined ? tensor : takeRows(tensor, i, 1)

describe("each picture has its own class", () => {
  it.each([
    {},
    { sampler: "pc", predictor: "euler_maruyama", probabilityFlow: true },
    { sampler: "ode", ...coarse },
    { sampler: "heun" },
    { sampler: "dpmpp_2m" },
    { sampler: "ddim" },
  ] as const)("sampled with %o", async settings => {
    const steps = "sampler" in settings && settings.sampler === "ode" ? {} : { numInferenceSteps: 3 }
    await expectOwnClasses(async (options, i) => {
      const noise = row(latents, i)
      return (await pipe({ ...settings, ...steps, ...options, latents: noise, outputType: "pt" })).images
    })
  })

  it.each<[string, (unet: DDIMPipeline["unet"]) => KarrasVePipeline | ScoreSdeVpPipeline]>([
    // Of so little noise that pictures are more than black and white.
    [
      "VP",
      unet =>
        new ScoreSdeVpPipeline({ unet, scheduler: new ScoreSdeVpScheduler({ betaMin: 1e-3, betaMax: 0.5 }) }),
    ],
    ["Karras", unet => new KarrasVePipeline({ unet, scheduler: new KarrasVeScheduler({ sigmaMax: 0.5 }) })],
  ])("in the loop of %s", async (_, made) => {
    const own = made(pipe.unet)
    await expectOwnClasses(async (options, i) => {
      const generator = (i === undefined ? [0, 1] : [i]).map(seed => new PhiloxGenerator(seed))
      const batchSize = generator.length
      const settings = { ...options, batchSize, generator, numInferenceSteps: 3, outputType: "pt" } as const
      const { images } = await own(settings)
      const within = images.data.filter(value => value > 0 && value < 1)
      expect(within.length / images.data.length).toBeGreaterThan(0.4)
      return images
    })
  })

  it("in a batch that is as large as there are labels", async () => {
    const { images } = await pipe({ classLabels: [1, 1, 2], numInferenceSteps: 1, outputType: "pt" })
    expect(images.shape[0]).toBe(3)
  })

  it("encoded and decoded, batch by batch", async () => {
    const options = { ...coarse, batchSize: 1 }
    await expectOwnClasses(
      async (labels, i) => (await pipe.encode(row(pictures, i), { ...options, ...labels })).latents,
    )
    await expectOwnClasses(
      async (labels, i) =>
        (await pipe.decode(row(latents, i), { ...options, ...labels, outputType: "pt" })).images,
    )
  })

  it("in its likelihood", async () => {
    const options = { ...coarse, batchSize: 1, dequantize: false }
    const ones: Tensor<"float32"> = { ...pictures, data: new Float32Array(pictures.data.length).fill(1) }
    await expectOwnClasses(async (labels, i) => {
      const likelihood = { ...options, ...labels, probe: row(ones, i) }
      const { bitsPerDim } = await pipe.likelihood(row(pictures, i), likelihood)
      return { dtype: "float32", shape: [bitsPerDim.length], data: Float32Array.from(bitsPerDim) }
    })
  })

  it("restored, without a classifier", async () => {
    const inpaint = new ScoreSdeInpaintPipeline(pipe)
    const mask: Tensor<"float32"> = { dtype: "float32", shape: [1, 1, 8, 8], data: new Float32Array(64) }
    mask.data.fill(1, 0, 32)
    const settings = { mask, numInferenceSteps: 2, predictor: "euler_maruyama", outputType: "pt" } as const
    const fill = async (labels: number | readonly number[], numImagesPerInput: number) => {
      const generator = Array.from({ length: 2 * numImagesPerInput }, () => new PhiloxGenerator(3))
      const options = { ...settings, image: pictures, classLabels: labels, numImagesPerInput, generator }
      return (await inpaint(options)).images
    }
    const twice = await fill(classLabels, 2)
    for (const [i, label] of classLabels.entries()) {
      const all = await fill(label, 1)
      expect(distance(takeRows(twice, 2 * i, 1), takeRows(all, i, 1))).toBeLessThan(1e-4)
      expect(distance(takeRows(twice, 2 * i + 1, 1), takeRows(all, i, 1))).toBeLessThan(1e-4)
      expect(distance(all, await fill(1, 1))).toBeGreaterThan(1e-3)
    }
  })
})

it("an embedding takes the place of a label where the network says so", async () => {
  const embeddings: Tensor<"float32"> = {
    dtype: "float32",
    shape: [2, 32],
    data: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
  }
  const make = async (labels: Tensor, noise: Tensor<"float32">) =>
    (await identity({ classLabels: labels, latents: noise, numInferenceSteps: 2, outputType: "pt" })).images
  const both = await make(embeddings, latents)
  const second = await make(takeRows(embeddings, 1, 1), takeRows(latents, 1, 1))
  expect(distance(takeRows(both, 1, 1), second)).toBeLessThan(1e-4)
  await expect(identity({ classLabels: 1 })).rejects.toMatchObject({
    name: "InputError",
    code: "SHAPE_MISMATCH",
    message: expect.stringContaining("a float32 tensor [1, 32]"),
  })
})

describe("refused:", () => {
  it.each([
    [3, "The class label 3 is none of the model's, which are 0 to 2."],
    [[0, -1], "The class label -1 is none of the model's, which are 0 to 2."],
    [0.5, "The class label 0.5 is none of the model's, which are 0 to 2."],
    [["1"], 'The class label "1" is none of the model\'s, which are 0 to 2.'],
    ["1", 'classLabels is "1", but must be a number, an array of numbers or a tensor.'],
    [undefined, "The model is class-conditional, but no classLabels were given. Its classes are 0 to 2."],
  ])("%o", async (labels, message) => {
    const refused = { name: "InputError", code: "INVALID_ARGUMENT", message }
    const options = { classLabels: labels as number }
    await expect(pipe(options)).rejects.toMatchObject(refused)
    await expect(pipe({ ...options, sampler: "heun" })).rejects.toMatchObject(refused)
    await expect(pipe.encode(pictures, options)).rejects.toMatchObject(refused)
    await expect(pipe.unet.forward(latents, 1, options as never)).rejects.toMatchObject(refused)
  })

  it("another number of labels than of pictures", async () => {
    const message = "classLabels holds 2 numbers, but the batch has 3 samples."
    await expect(pipe({ classLabels, batchSize: 3 })).rejects.toThrow(message)
    await expect(pipe.decode(takeRows(latents, 0, 1), { classLabels })).rejects.toThrow(
      "the batch has 1 samples",
    )
  })

  it("labels for a model without classes", async () => {
    const message = "classLabels were given, but the model takes none."
    await expect(plain({ classLabels: 0 })).rejects.toThrow(message)
    await expect(plain({ classLabels: 0, sampler: "heun" })).rejects.toThrow(message)
    await expect(plain.likelihood(pictures, { classLabels: 0 })).rejects.toThrow(message)
  })
})
