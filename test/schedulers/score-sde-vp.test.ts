import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.ts"
import diffusers from "../fixtures/schedulers/diffusers.json" with { type: "json" }
import { dummySample, expectFloat32, outputOf, sampleOf, scaled, sineNoise, sums } from "./numbers.ts"

const shape = [2, 2, 2, 1]

function prepared(steps: number, config: object = {}): ScoreSdeVpScheduler {
  const scheduler = ScoreSdeVpScheduler.fromConfig(config)
  scheduler.setTimesteps(steps)
  return scheduler
}

test.each(diffusers.vp)("steps equal Diffusers': $config, $steps steps", ({ config, steps, step_pred }) => {
  const scheduler = prepared(steps, config)
  for (const [t, prev, mean] of step_pred as [number | number[], number[], number[]][]) {
    const step = scheduler.stepPred(outputOf(shape), sampleOf(shape), t, { noise: sineNoise(shape) })
    expectFloat32(step.prevSample.data, prev, 2, 4)
    expectFloat32(step.prevSampleMean.data, mean, 2, 4)
  }
})

test("a whole loop with PyTorch's generator", () => {
  const scheduler = prepared(10)
  const generator = new TorchGenerator(0)
  let [sample, mean] = [dummySample(), dummySample()]
  for (const t of scheduler.timesteps) {
    const output = scaled(sample, x => Math.fround(0.1) * x)
    ;({ prevSample: sample, prevSampleMean: mean } = scheduler.stepPred(output, sample, t, { generator }))
  }
  expect(Math.abs(sums(mean).mean / diffusers.loops.vp.mean - 1)).toBeLessThan(1e-6)
})

test("attributes", () => {
  const scheduler = new ScoreSdeVpScheduler()
  expect(scheduler.config).toEqual({ numTrainTimesteps: 2000, betaMin: 0.1, betaMax: 20, samplingEps: 1e-3 })
  expect(scheduler).toMatchObject({
    length: 2000,
    order: 1,
    initNoiseSigma: 1,
    sigmas: null,
    discreteSigmas: null,
    compatibles: ["ScoreSdeVpScheduler"],
  })
  expect(scheduler.timesteps).toHaveLength(0)
  scheduler.setTimesteps(3)
  expectFloat32(scheduler.timesteps, [1, 0.5005, 0.001], 0)
})

describe("bad input", () => {
  test.each([0, -1, 1.5, Number.NaN])("%d steps", steps => {
    expect(() => new ScoreSdeVpScheduler().setTimesteps(steps)).toThrow(
      `numInferenceSteps is ${steps}, but must be a whole number from 1 to 1000000.`,
    )
  })

  test("a step before setTimesteps", () => {
    expect(() => new ScoreSdeVpScheduler().stepPred(outputOf(shape), sampleOf(shape), 1)).toThrow(
      expect.objectContaining({ code: "NOT_SET_UP" }),
    )
  })

  test.each([0, -0.5, 1.1, Number.NaN, 1e-12])("the time %d", t => {
    expect(() => prepared(10).stepPred(outputOf(shape), sampleOf(shape), t)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(`t is ${t}`) }),
    )
  })

  test("a configuration out of range", () => {
    expect(() => new ScoreSdeVpScheduler({ samplingEps: 0 })).toThrow(
      "ScoreSdeVpScheduler: samplingEps is 0, but must be a number greater than 0 and less than 1.",
    )
    expect(() => new ScoreSdeVpScheduler({ betaMin: 21 })).toThrow(
      "ScoreSdeVpScheduler: betaMin is 21, but must be at most beta_max, 20.",
    )
  })
})
