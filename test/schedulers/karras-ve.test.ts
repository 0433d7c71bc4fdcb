import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { type KarrasVeConfig, KarrasVeScheduler } from "../../src/schedulers/karras-ve.ts"
import fixtures from "../fixtures/sde/karras-ve.json" with { type: "json" }
import { expectFloat32, formula, outputOf, sampleOf, scaled } from "./numbers.ts"

const shape = [2, 3, 4, 4]

test.each(fixtures.runs)("equals Diffusers: $config, $steps steps", ({ config, ...run }) => {
  const scheduler = KarrasVeScheduler.fromConfig(config)
  scheduler.setTimesteps(run.steps)
  expect([...scheduler.timesteps]).toEqual(run.timesteps)
  expectFloat32(scheduler.schedule, run.schedule, 2)
  const sample = sampleOf(shape, 20)
  for (const at of run.at) {
    const [sigma, sigmaPrev] = [run.schedule[at.t]!, run.schedule[at.t - 1] ?? 0]
    const options = { generator: new TorchGenerator(0) }
    const { sampleHat, sigmaHat } = scheduler.addNoiseToInput(sample, sigma, options)
    expectFloat32([sigmaHat], [at.sigma_hat], 1)
    expectFloat32(sampleHat.data, at.sample_hat, 2, 20)
    const step = scheduler.step(outputOf(shape), sigmaHat, sigmaPrev, sampleHat)
    const scale = sigmaHat + 20
    expectFloat32(step.prevSample.data, at.prev_sample, 4, scale)
    expectFloat32(step.predOriginalSample.data, at.pred_original_sample, 4, scale)
    expectFloat32(step.derivative.data, at.derivative, 4, scale / sigmaHat)
    if (!at.corrected) continue
    const corrected = scheduler.stepCorrect(
      outputOf(shape, 0.9),
      sigmaHat,
      sigmaPrev,
      sampleHat,
      step.prevSample,
      step.derivative,
    )
    // The slope at the end divides a difference of large numbers by a σ that may be small.
    expectFloat32(corrected.prevSample.data, at.corrected, 8, (scale * sigmaHat) / sigmaPrev)
    expect(corrected.derivative.data).toEqual(step.derivative.data)
  }
})

test("a whole loop, as Diffusers' pipeline runs it", () => {
  const scheduler = new KarrasVeScheduler({ sigmaMax: 10 })
  scheduler.setTimesteps(fixtures.loop.steps)
  const generator = new TorchGenerator(0)
  let sample = scaled(generator.randn(shape), z => z * scheduler.initNoiseSigma)
  const model = (x: typeof sample, sigma: number) => scaled(x, v => (sigma * -v) / (sigma ** 2 + 0.25))
  for (const t of scheduler.timesteps) {
    const [sigma, sigmaPrev] = [scheduler.schedule[t]!, t > 0 ? scheduler.schedule[t - 1]! : 0]
    const { sampleHat, sigmaHat } = scheduler.addNoiseToInput(sample, sigma, { generator })
    let step = scheduler.step(model(sampleHat, sigmaHat), sigmaHat, sigmaPrev, sampleHat)
    if (sigmaPrev !== 0) {
      const output = model(step.prevSample, sigmaPrev)
      step = scheduler.stepCorrect(output, sigmaHat, sigmaPrev, sampleHat, step.prevSample, step.derivative)
    }
    sample = step.prevSample
  }
  const largest = Math.max(...fixtures.loop.x.map(Math.abs))
  sample.data.forEach((x, i) => {
    expect(Math.abs(x - fixtures.loop.x[i]!)).toBeLessThan(1e-5 * largest)
  })
})

test("attributes, and its configuration file", () => {
  const scheduler = new KarrasVeScheduler()
  const config: KarrasVeConfig = {
    sigmaMin: 0.02,
    sigmaMax: 100,
    sNoise: 1.007,
    sChurn: 80,
    sMin: 0.05,
    sMax: 50,
  }
  expect(scheduler.config).toEqual(config)
  expect(scheduler).toMatchObject({
    order: 2,
    initNoiseSigma: 100,
    numInferenceSteps: null,
    compatibles: ["KarrasVeScheduler"],
  })
  expect(scheduler.toJsonString()).toBe(fixtures.config_file)
  const x = sampleOf(shape)
  expect(scheduler.scaleModelInput(x, 3)).toBe(x)
})

describe("bad input", () => {
  const x = sampleOf(shape)

  test.each([0, 1, -1, 2.5])("%d steps", steps => {
    expect(() => new KarrasVeScheduler().setTimesteps(steps)).toThrow(
      `numInferenceSteps is ${steps}, but must be a whole number from 2 to 1000000.`,
    )
  })

  test("noise before setTimesteps", () => {
    expect(() => new KarrasVeScheduler().addNoiseToInput(x, 1)).toThrow("Call setTimesteps first.")
  })

  test("shapes, and a correction of the last step", () => {
    const scheduler = new KarrasVeScheduler()
    const other = formula([1, 3], () => 0)
    expect(() => scheduler.step(other, 1, 0.5, x)).toThrow("modelOutput has the shape [1, 3]")
    expect(() => scheduler.stepCorrect(x, 1, 0.5, x, other, x)).toThrow("samplePrev has the shape [1, 3]")
    expect(() => scheduler.stepCorrect(x, 1, 0.5, x, x, other)).toThrow("derivative has the shape [1, 3]")
    expect(() => scheduler.stepCorrect(x, 1, 0, x, x, x)).toThrow(
      "sigmaPrev is 0: the last step has no correction.",
    )
  })

  test("a configuration out of range", () => {
    expect(() => new KarrasVeScheduler({ sigmaMin: 100 })).toThrow(
      "KarrasVeScheduler: sigmaMin is 100, but must be less than sigma_max, 100.",
    )
    expect(() => new KarrasVeScheduler({ sChurn: -1 })).toThrow("sChurn is -1")
  })
})
