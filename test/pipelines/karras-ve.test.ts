import { expect, it } from "vitest"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { KarrasVePipeline } from "../../src/pipelines/karras-ve.ts"
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { KarrasVeScheduler } from "../../src/schedulers/karras-ve.ts"
import fixture from "../fixtures/pipelines/karras-ve.json" with { type: "json" }
import { gaussianModel } from "./gaussian-model.ts"
import { temporaryFolder } from "./tiny-model.ts"

it("makes Diffusers' picture with the network of a VE pipeline", async () => {
  await using ve = await ScoreSdeVePipeline.fromPretrained("models/ncsnpp-emoji-32")
  const pipe = new KarrasVePipeline({
    unet: ve.unet,
    scheduler: KarrasVeScheduler.fromConfig(fixture.config),
  })
  const { images, nfe } = await pipe({
    numInferenceSteps: fixture.steps,
    generator: new TorchGenerator(fixture.seed),
    outputType: "np",
  })
  expect(nfe).toBe(2 * fixture.steps - 1)
  expect(images.shape).toEqual(fixture.shape)
  const { data } = images
  const found = fixture.values.map((_, j) => data[Math.floor((j * (data.length - 1)) / 63)]!)
  expect(Math.max(...found.map((value, j) => Math.abs(value - fixture.values[j]!)))).toBeLessThan(1e-4)
  expect(Math.abs(data.reduce((sum, x) => sum + x, 0) / data.length - fixture.mean)).toBeLessThan(1e-5)
})

it("is saved and loaded as itself, takes a VE repository where a scheduler is given, and has its SDE", async () => {
  await using folder = await gaussianModel()
  const scheduler = new KarrasVeScheduler({ sigmaMax: 4 })
  await using pipe = await KarrasVePipeline.fromPretrained(folder.path, { scheduler, worker: false })
  await using copy = await temporaryFolder()
  await pipe.savePretrained(copy.path, { onWarning: () => {} })
  await using again = await DiffusionPipeline.fromPretrained(copy.path, { worker: false })
  expect(again).toBeInstanceOf(KarrasVePipeline)
  expect((again.scheduler as KarrasVeScheduler).config).toEqual(scheduler.config)
  expect(again.scoreModel().sde).toMatchObject({ sigmaMin: 0.02 ** 2 / 2, sigmaMax: 8 })
  const seed = 0
  const [first, second] = await Promise.all([pipe({ seed }), again({ seed })])
  expect(first.images[0].data).toEqual(second.images[0].data)
  expect((await again({ sampler: "heun", numInferenceSteps: 3 })).nfe).toBe(5)
})

it("needs a scheduler of its own", async () => {
  await using folder = await gaussianModel()
  await expect(KarrasVePipeline.fromPretrained(folder.path, { worker: false })).rejects.toMatchObject({
    code: "COMPONENT_TYPE",
    message: expect.stringContaining("give a scheduler"),
  })
})
