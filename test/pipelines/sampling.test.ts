import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { DDIMPipeline } from "../../src/pipelines/ddim.ts"
import { DDPMPipeline } from "../../src/pipelines/ddpm.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import type { StepCallback } from "../../src/pipelines/options.ts"
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.ts"
import { ScoreSdeVpPipeline } from "../../src/pipelines/score-sde-vp.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.ts"
import type { Tensor } from "../../src/tensor.ts"
import fixture from "../fixtures/pipelines/pipelines.json" with { type: "json" }
import { camelCase } from "../models/score-sde/case.ts"
import { networkFiles, temporaryFolder, writeModel } from "./tiny-model.ts"

const shippedModel = "models/ncsnpp-emoji-32"
const schedulers = {
  DDPMPipeline: "DDPMScheduler",
  DDIMPipeline: "DDIMScheduler",
  ScoreSdeVpPipeline: "ScoreSdeVpScheduler",
  ScoreSdeVePipeline: "ScoreSdeVeScheduler",
} as const

interface Expected {
  readonly shape: readonly number[]
  readonly mean: number
  readonly values: readonly number[]
}

/** Compares pictures with the numbers that the fixture holds of Diffusers' pictures. */
function expectPictures(
  images: Tensor<"float32">,
  { shape, mean, values }: Expected,
  tolerance: number,
): void {
  expect(images.shape).toEqual(shape)
  const { data } = images
  const found = values.map((_, j) => data[Math.floor((j * (data.length - 1)) / 63)]!)
  const worst = Math.max(...found.map((value, j) => Math.abs(value - values[j]!)))
  expect(worst).toBeLessThan(tolerance)
  expect(Math.abs(data.reduce((sum, x) => sum + x, 0) / data.length - mean)).toBeLessThan(tolerance)
}

function torchGenerators(seeds: readonly number[]): TorchGenerator[] {
  return seeds.map(seed => new TorchGenerator(seed))
}

describe("pictures equal to Diffusers'", () => {
  it.each(fixture.cases)(
    "$name",
    async ({ pipeline, network, scheduler, steps, seeds, batch, options, ...expected }) => {
      await using folder = await temporaryFolder()
      const schedulerClass = schedulers[pipeline as keyof typeof schedulers]
      const classes = { className: pipeline, schedulerClass, scheduler }
      await writeModel(folder.path, classes, await networkFiles(camelCase(network)))
      await using pipe = await DiffusionPipeline.fromPretrained(folder.path, { worker: false })
      expect(pipe.constructor.name).toBe(pipeline)
      const { images, nfe } = await pipe({
        batchSize: batch,
        numInferenceSteps: steps,
        generator: torchGenerators(seeds),
        outputType: "np",
        ...options,
      })
      expect(nfe).toBe(pipeline === "ScoreSdeVePipeline" ? 2 * steps : steps)
      expectPictures(images, expected, 2e-4)
    },
  )

  it.each(fixture.shipped)(
    "$name, $steps steps, seeds $seeds",
    async ({ steps, seeds, batch, ...expected }) => {
      await using pipe = await ScoreSdeVePipeline.fromPretrained(shippedModel)
      const generator = torchGenerators(seeds)
      const { images, nfe } = await pipe({
        batchSize: batch,
        numInferenceSteps: steps,
        generator,
        outputType: "np",
      })
      expect(nfe).toBe(2 * steps)
      expectPictures(images, expected, 1e-3)
    },
  )
})

describe("calling a pipeline", () => {
  let pipe: ScoreSdeVePipeline

  beforeAll(async () => {
    pipe = await ScoreSdeVePipeline.fromPretrained(shippedModel, { worker: false })
  })
  afterAll(() => pipe.dispose())

  it("gives images, and the same ones for the same seed", async () => {
    const first = await pipe({ seed: 3, numInferenceSteps: 3 })
    const second = await pipe.generate({ seed: 3, numInferenceSteps: 3 })
    const other = await pipe({ seed: 4, numInferenceSteps: 3 })
    expect(first.images[0]).toMatchObject({ width: 32, height: 32, channels: 3 })
    expect(first.images[0].data).toEqual(second.images[0].data)
    expect(first.images[0].data).not.toEqual(other.images[0].data)
  })

  it("is an instance of its classes all the same", () => {
    expect(pipe).toBeInstanceOf(ScoreSdeVePipeline)
    expect(pipe).toBeInstanceOf(DiffusionPipeline)
    expect(typeof pipe).toBe("function")
    expect(Object.keys(pipe.components)).toEqual(["unet", "scheduler"])
  })

  it("gives a tensor in either layout", async () => {
    const options = { seed: 0, numInferenceSteps: 2 }
    const { images: pt } = await pipe({ ...options, outputType: "pt" })
    const { images: np } = await pipe({ ...options, outputType: "np" })
    expect([pt.shape, np.shape]).toEqual([
      [1, 3, 32, 32],
      [1, 32, 32, 3],
    ])
    expect(np.data[7]).toBe(pt.data[1024 + 2])
    expect(Math.min(...pt.data)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...pt.data)).toBeLessThanOrEqual(1)
  })

  it("draws the noise of picture i of a seed alike in any batch", async () => {
    const options = { numInferenceSteps: 2, outputType: "pt" as const }
    const corrected = pipe.scheduler
    // The corrector's step depends on the whole batch, in Diffusers as in score_sde; the noise must not.
    pipe.scheduler = ScoreSdeVeScheduler.fromConfig(corrected.config, { correctSteps: 0 })
    const { images: three } = await pipe({ ...options, seed: 11, batchSize: 3 })
    const generator = new PhiloxGenerator(11)
    const { images: two } = await pipe({ ...options, generator, batchSize: 2 })
    const { images: third } = await pipe({ ...options, generator, batchSize: 1 })
    pipe.scheduler = corrected
    const apart = [...two.data, ...third.data]
    expect(Math.max(...apart.map((x, i) => Math.abs(x - three.data[i]!)))).toBeLessThan(1e-4)
  })

  it("starts from given noise", async () => {
    const generator = new TorchGenerator(0)
    const latents = generator.randn([1, 3, 32, 32])
    const { images: given } = await pipe({ numInferenceSteps: 2, latents, generator })
    const { images: drawn } = await pipe({ numInferenceSteps: 2, seed: 0 })
    expect(given[0].data).toEqual(drawn[0].data)
  })

  it("reports every step", async () => {
    const steps: number[] = []
    const seen: [number, number][] = []
    await pipe({
      seed: 0,
      numInferenceSteps: 3,
      onProgress: ({ step, totalSteps, nfe }) => seen.push([step / totalSteps, nfe]),
      callbackOnStepEnd: (self, step, timestep, { latents, denoised }) => {
        expect(self).toBe(pipe)
        expect(timestep).toBeCloseTo(1 - step / 2, 4)
        expect(latents.shape).toEqual(denoised.shape)
        steps.push(step)
      },
    })
    expect(steps).toEqual([0, 1, 2])
    expect(seen).toEqual([
      [1 / 3, 2],
      [2 / 3, 4],
      [1, 6],
    ])
  })

  it("goes on with what the callback returns", async () => {
    const grey = (x: Tensor<"float32">): Tensor<"float32"> => ({ ...x, data: x.data.map(() => 0.25) })
    const options = { seed: 0, numInferenceSteps: 3, outputType: "pt" as const }
    const { images: plain } = await pipe(options)
    const { images: changed } = await pipe({
      ...options,
      callbackOnStepEnd: (_, step, __, { latents }) => (step === 0 ? { latents: grey(latents) } : undefined),
    })
    expect(changed.data).not.toEqual(plain.data)
    const { images: last } = await pipe({
      ...options,
      callbackOnStepEnd: (_, step, __, { denoised }) =>
        step === 2 ? { denoised: grey(denoised) } : undefined,
    })
    expect(new Set(last.data)).toEqual(new Set([0.25]))
    const wrong = { dtype: "float32" as const, shape: [1], data: new Float32Array(1) }
    const refused = pipe({ ...options, callbackOnStepEnd: () => ({ latents: wrong }) })
    await expect(refused).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
  })

  it("rejects with what a callback throws", async () => {
    const failure = new Error("from the callback")
    const callbackOnStepEnd = (): never => {
      throw failure
    }
    await expect(pipe({ numInferenceSteps: 2, callbackOnStepEnd })).rejects.toBe(failure)
  })

  it("can be called again while it is at work", async () => {
    const calls = [3, 5].map(numInferenceSteps => pipe({ seed: 0, numInferenceSteps }))
    const together = await Promise.all(calls)
    for (const [i, numInferenceSteps] of [3, 5].entries()) {
      const alone = await pipe({ seed: 0, numInferenceSteps })
      expect(together[i]!.images[0].data).toEqual(alone.images[0].data)
    }
  })

  it("stops between two evaluations when aborted", async () => {
    const controller = new AbortController()
    let steps = 0
    const sampling = pipe({
      numInferenceSteps: 50,
      signal: controller.signal,
      onProgress: ({ step }) => {
        steps = step
        if (step === 2) controller.abort(new Error("enough"))
      },
    })
    await expect(sampling).rejects.toMatchObject({ name: "AbortError", code: "ABORTED" })
    expect(steps).toBe(2)
    await expect(pipe({ numInferenceSteps: 2 })).resolves.toMatchObject({ nfe: 4 })
  })

  it.each([
    [{ numInferenceSteps: 0 }, "INVALID_ARGUMENT"],
    [{ numInferenceSteps: 1 }, "INVALID_ARGUMENT"],
    [{ numInferenceSteps: 2.5 }, "INVALID_ARGUMENT"],
    [{ batchSize: -1 }, "INVALID_ARGUMENT"],
    [{ batchSize: 0 }, "INVALID_ARGUMENT"],
    [{ latents: { dtype: "float32", shape: [1, 3, 8, 8], data: new Float32Array(192) } }, "SHAPE_MISMATCH"],
    [
      { latents: { dtype: "float32", shape: [1, 3, 32, 32], data: new Float32Array(3072).fill(Number.NaN) } },
      "INVALID_ARGUMENT",
    ],
    [{ outputType: "latent" as never }, "INVALID_ARGUMENT"],
    [{ batchSize: 1e9 }, "INVALID_ARGUMENT"],
    [{ seed: 1, generator: new TorchGenerator(0) }, "SEED_AND_GENERATOR"],
    [{ batchSize: 3, generator: torchGenerators([1, 2]) }, "GENERATOR_COUNT"],
  ] as const)("refuses %o", async (options, code) => {
    await expect(pipe(options)).rejects.toMatchObject({ code })
  })

  it("takes only its own kind of scheduler", () => {
    const ddim = { ...pipe.components, scheduler: {} } as never
    expect(() => new ScoreSdeVePipeline(ddim)).toThrow(expect.objectContaining({ code: "COMPONENT_TYPE" }))
    for (const Pipeline of [DDPMPipeline, DDIMPipeline, ScoreSdeVpPipeline]) {
      expect(() => new Pipeline(pipe.components as never)).toThrow(
        expect.objectContaining({ code: "COMPONENT_TYPE" }),
      )
    }
  })

  it("names the step at which the network fails", async () => {
    const callbackOnStepEnd: StepCallback = (_, __, ___, { latents }) => ({
      latents: { ...latents, data: latents.data.map(() => Number.NaN) },
    })
    await expect(pipe({ numInferenceSteps: 2, callbackOnStepEnd })).rejects.toMatchObject({
      code: "NOT_FINITE",
      message: expect.stringContaining("step 2 of 2"),
    })
  })
})
