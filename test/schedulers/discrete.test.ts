import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import { DDPMScheduler } from "../../src/schedulers/ddpm.ts"
import { spacedTimesteps } from "../../src/schedulers/timestep-spacing.ts"
import diffusers from "../fixtures/schedulers/diffusers.json" with { type: "json" }
import { expectFloat32, formula, sampleOf, sineNoise } from "./numbers.ts"

const shape = [2, 2, 2, 1]

describe("noise levels equal Diffusers'", () => {
  test.each(diffusers.betas)("$config", ({ config, indices, betas, alphas, alphas_cumprod }) => {
    const scheduler = DDPMScheduler.fromConfig(config)
    // A rescaled β is 1 − a ratio near 1, which magnifies the last bit of sqrt().
    expectFloat32(
      indices.map(i => scheduler.betas[i]!),
      betas,
      1,
      0.5,
    )
    expectFloat32(
      indices.map(i => scheduler.alphas[i]!),
      alphas,
      1,
    )
    expectFloat32(
      indices.map(i => scheduler.alphasCumprod[i]!),
      alphas_cumprod,
      2,
      2 ** -10,
    )
  })

  test("linear ones bit for bit", () => {
    const { indices, betas, alphas_cumprod } = diffusers.betas[0]!
    const scheduler = new DDIMScheduler()
    expectFloat32(
      indices.map(i => scheduler.betas[i]!),
      betas,
      0,
    )
    expectFloat32(
      indices.map(i => scheduler.alphasCumprod[i]!),
      alphas_cumprod,
      0,
    )
  })
})

describe("timesteps", () => {
  test.each(diffusers.timesteps as [string, number, number, number, number[]][])(
    "%s spacing of %i training steps in %i",
    (timestepSpacing, numTrainTimesteps, steps, stepsOffset, expected) => {
      for (const schedulerClass of [DDIMScheduler, DDPMScheduler]) {
        const scheduler = schedulerClass.fromConfig({ timestepSpacing, numTrainTimesteps, stepsOffset })
        scheduler.setTimesteps(steps)
        expect([...scheduler.timesteps]).toEqual(expected)
        expect(scheduler.numInferenceSteps).toBe(steps)
      }
    },
  )

  test("are as many as asked for, descending, within the training steps", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("leading", "linspace", "trailing"),
        fc.integer({ min: 1, max: 3000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (spacing, trainSteps, fraction) => {
          const steps = Math.max(1, Math.floor(trainSteps * fraction))
          const timesteps = spacedTimesteps(spacing, trainSteps, steps, 0)
          expect(timesteps).toHaveLength(steps)
          expect(timesteps[0]).toBeLessThan(trainSteps)
          expect(timesteps.at(-1)).toBeGreaterThanOrEqual(0)
          for (let i = 1; i < steps; i++) expect(timesteps[i]).toBeLessThan(timesteps[i - 1]!)
        },
      ),
    )
  })

  test("trailing with 61 steps has 61, not the 62 of NumPy's arange", () => {
    const timesteps = spacedTimesteps("trailing", 1000, 61, 0)
    expect(timesteps).toHaveLength(61)
    expect([...timesteps.slice(-2)]).toEqual([32, 15])
  })

  test("all of them before setTimesteps", () => {
    const { timesteps } = new DDPMScheduler({ numTrainTimesteps: 4 })
    expect([...timesteps]).toEqual([3, 2, 1, 0])
  })

  test.each([0, -1, 1001, 2.5, Number.NaN])("%d steps are refused", steps => {
    for (const scheduler of [new DDIMScheduler(), new DDPMScheduler()]) {
      expect(() => scheduler.setTimesteps(steps)).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          message: `numInferenceSteps is ${steps}, but must be a whole number from 1 to 1000.`,
        }),
      )
    }
  })

  test("an offset that starts after the last training step is refused", () => {
    const scheduler = new DDIMScheduler({ stepsOffset: 1 })
    expect(() => scheduler.setTimesteps(1000)).toThrow(
      "With 1000 steps and a steps_offset of 1, sampling would start at timestep 1000, but the last one is 999. Take fewer steps.",
    )
    scheduler.setTimesteps(500)
    expect(scheduler.timesteps[0]).toBe(999)
  })
})

describe("training data", () => {
  const scheduler = new DDPMScheduler()
  const { timesteps, add_noise, get_velocity } = diffusers.noising

  test("equals Diffusers'", () => {
    const [x, noise] = [sampleOf(shape), sineNoise(shape)]
    expectFloat32(scheduler.addNoise(x, noise, timesteps).data, add_noise, 1, 2)
    expectFloat32(scheduler.getVelocity(x, noise, timesteps).data, get_velocity, 1, 2)
  })

  test("noising and velocity are a rotation of (x, ε), which can be undone", () => {
    fc.assert(
      fc.property(fc.nat(999), t => {
        const [x, noise] = [sampleOf(shape), sineNoise(shape)]
        const noisy = scheduler.addNoise(x, noise, t).data
        const velocity = scheduler.getVelocity(x, noise, t).data
        const signal = Math.sqrt(scheduler.alphasCumprod[t]!)
        const rest = Math.sqrt(1 - scheduler.alphasCumprod[t]!)
        expectFloat32(
          noisy.map((v, i) => signal * v - rest * velocity[i]!),
          [...x.data],
          8,
          2,
        )
      }),
    )
  })

  test.each([-1, 1000, 1.5])("the timestep %d is refused", t => {
    expect(() => scheduler.addNoise(sampleOf(shape), sineNoise(shape), t)).toThrow(
      `The timestep is ${t}, but must be a whole number from 0 to 999.`,
    )
  })

  test("shapes that differ are refused", () => {
    const message = "noise has the shape [8], but"
    expect(() => scheduler.addNoise(sampleOf(shape), sineNoise([8]), 0)).toThrow(message)
    expect(() => scheduler.getVelocity(sampleOf(shape), sineNoise([8]), 0)).toThrow(message)
  })
})

describe("configuration", () => {
  test.each([
    [{ betaSchedule: "quadratic" }, /betaSchedule is "quadratic", but must be one of "linear"/],
    [{ predictionType: "flow" }, /predictionType is "flow"/],
    [{ timestepSpacing: "even" }, /timestepSpacing is "even"/],
    [{ betaStart: -0.1 }, /betaStart is -0\.1, but must be a number from 0 up to 1\./],
    [{ trainedBetas: [0.1, 2] }, /trainedBetas\[1\] is 2, but must be a list of/],
    [
      { trainedBetas: [0.1, 0.2] },
      /trainedBetas is \[0\.1,0\.2\], but must be at least as long as num_train_timesteps, 1000\./,
    ],
    [{ numTrainTimesteps: 2_000_000 }, /numTrainTimesteps is 2000000/],
    [{ clipSample: 1 }, /clipSample is 1, but must be true or false\./],
  ])("%j is refused", (config, message) => {
    for (const schedulerClass of [DDIMScheduler, DDPMScheduler]) {
      expect(() => new schedulerClass(config as object)).toThrow(
        expect.objectContaining({ code: "INVALID_VALUE", message: expect.stringMatching(message) }),
      )
    }
  })

  test("an entry of trained betas may be an int, and stays one", () => {
    const scheduler = DDIMScheduler.fromConfig({ num_train_timesteps: 2, trained_betas: [0.5, 1n] })
    expect(scheduler.toJsonString()).toContain('"trained_betas": [\n    0.5,\n    1\n  ]')
    expect([...scheduler.alphasCumprod]).toEqual([0.5, 0])
  })

  test("noise never falls, signal never rises", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("linear", "scaled_linear", "squaredcos_cap_v2"),
        fc.integer({ min: 1, max: 200 }),
        fc.boolean(),
        (betaSchedule, numTrainTimesteps, rescaleBetasZeroSnr) => {
          fc.pre(numTrainTimesteps > 1)
          const { alphasCumprod } = new DDIMScheduler({
            betaSchedule,
            numTrainTimesteps,
            rescaleBetasZeroSnr,
          })
          alphasCumprod.forEach((value, i) => {
            expect(value).toBeLessThanOrEqual(i === 0 ? 1 : alphasCumprod[i - 1]!)
            expect(value).toBeGreaterThanOrEqual(0)
          })
          if (rescaleBetasZeroSnr) expect(alphasCumprod.at(-1)).toBe(0)
        },
      ),
      { numRuns: 30 },
    )
  })
})

test("inputs are left alone", () => {
  for (const scheduler of [
    new DDIMScheduler({ thresholding: true }),
    new DDPMScheduler({ predictionType: "sample" }),
  ]) {
    scheduler.setTimesteps(10)
    const [output, x] = [sineNoise(shape), sampleOf(shape)]
    scheduler.step(output, scheduler.timesteps[3]!, x)
    expect(output).toEqual(sineNoise(shape))
    expect(x).toEqual(sampleOf(shape))
    expect(scheduler.scaleModelInput(x)).toBe(x)
  }
})

test("dynamic thresholding takes the quantile of each sample", () => {
  const scheduler = new DDPMScheduler({
    predictionType: "sample",
    thresholding: true,
    dynamicThresholdingRatio: 0.5,
    sampleMaxValue: 10,
  })
  scheduler.setTimesteps(10)
  // |x₀| of the samples: 0 1 2 3 4 with median 2, and ten times that, with median 20, above sampleMaxValue.
  const output = formula([2, 5], n => (n % 2 === 0 ? 1 : -1) * (n % 5) * (n < 5 ? 1 : 10))
  const { predOriginalSample } = scheduler.step(output, 500, sampleOf([2, 5]))
  const magnitudes = [...predOriginalSample.data].map(Math.abs)
  expect(magnitudes).toEqual([0, 0.5, 1, 1, 1, 0, 1, 1, 1, 1])
})
