import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parseJsonObject } from "../../src/config/json.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.ts"
import type { Tensor } from "../../src/tensor.ts"
import diffusers from "../fixtures/schedulers/diffusers.json" with { type: "json" }
import golden from "../fixtures/schedulers/ve-formula.json" with { type: "json" }
import {
  dummySample,
  expectFloat32,
  formula,
  outputOf,
  sampleOf,
  scaled,
  sineNoise,
  sums,
} from "./numbers.ts"

function prepared(steps: number, config: object = {}): ScoreSdeVeScheduler {
  const scheduler = ScoreSdeVeScheduler.fromConfig(config)
  scheduler.setTimesteps(steps)
  scheduler.setSigmas(steps)
  return scheduler
}

const shape = [2, 2, 2, 1]

describe("tables equal Diffusers'", () => {
  test.each(diffusers.ve)(
    "$config, $steps steps",
    ({ config, steps, timesteps, sigmas, discrete_sigmas }) => {
      const scheduler = prepared(steps, config)
      expectFloat32(scheduler.timesteps, timesteps, 0)
      expectFloat32(scheduler.sigmas, sigmas, 1)
      expectFloat32(scheduler.discreteSigmas, discrete_sigmas, 1)
    },
  )

  test("all 2000 steps after construction", () => {
    const scheduler = new ScoreSdeVeScheduler()
    const { indices, timesteps, sigmas, discrete_sigmas } = diffusers.ve_long
    expectFloat32(
      indices.map(i => scheduler.timesteps[i]!),
      timesteps,
      0,
    )
    expectFloat32(
      indices.map(i => scheduler.sigmas[i]!),
      sigmas,
      1,
    )
    expectFloat32(
      indices.map(i => scheduler.discreteSigmas[i]!),
      discrete_sigmas,
      1,
    )
    expect([scheduler.timesteps, scheduler.sigmas, scheduler.discreteSigmas].map(x => x.length)).toEqual([
      2000, 2000, 2000,
    ])
  })

  test.each(["2", "3", "10", "50"] as const)("the numbers for N = %s", steps => {
    const scheduler = prepared(Number(steps))
    expectFloat32(scheduler.timesteps, golden[steps].timesteps, 0)
    expectFloat32(scheduler.sigmas, golden[steps].sigmas, 1)
    expectFloat32(scheduler.discreteSigmas, golden[steps].discrete_sigmas, 1)
  })
})

describe("steps equal Diffusers'", () => {
  test.each(diffusers.ve)(
    "$config, $steps steps",
    ({ config, steps, step_pred, step_correct, add_noise }) => {
      const scheduler = prepared(steps, config)
      const [x, score, noise] = [sampleOf(shape, 50), outputOf(shape, 0.3), sineNoise(shape)]
      expectFloat32(scheduler.stepCorrect(score, x, { noise }).prevSample.data, step_correct, 4, 100)
      for (const [i, prev, mean] of step_pred as [number, number[], number[]][]) {
        const step = scheduler.stepPred(score, scheduler.timesteps[i]!, x, { noise })
        const scale = scheduler.sigmas[i]! ** 2
        expectFloat32(step.prevSampleMean.data, mean, 4, scale)
        expectFloat32(step.prevSample.data, prev, 4, scale)
      }
      expectFloat32(scheduler.addNoise(x, noise, [0, steps - 1]).data, add_noise, 1, scheduler.initNoiseSigma)
    },
  )

  test("all ten steps of the formula run", () => {
    const { x, model_output, step_correct, step_pred } = golden.sin_noise_N10
    const scheduler = prepared(10)
    const sample = formula([1, 3, 2, 2], n => x[n]!)
    const score = formula([1, 3, 2, 2], n => model_output[n]!)
    const noise = sineNoise([1, 3, 2, 2])
    expectFloat32(scheduler.stepCorrect(score, sample, { noise }).prevSample.data, step_correct, 2, 50)
    for (const { i, prev, mean } of step_pred) {
      const step = scheduler.stepPred(score, scheduler.timesteps[i]!, sample, { noise })
      expectFloat32(step.prevSample.data, prev, 4, scheduler.sigmas[i]!)
      expectFloat32(step.prevSampleMean.data, mean, 4, scheduler.sigmas[i]!)
    }
  })

  test("one time for each sample", () => {
    const scheduler = prepared(10)
    const [x, score, noise] = [sampleOf(shape), outputOf(shape), sineNoise(shape)]
    const times = [scheduler.timesteps[2]!, scheduler.timesteps[7]!]
    const both = scheduler.stepPred(score, times, x, { noise }).prevSample.data
    times.forEach((t, b) => {
      const one = scheduler.stepPred(score, t, x, { noise }).prevSample.data
      expect(both.slice(4 * b, 4 * b + 4)).toEqual(one.slice(4 * b, 4 * b + 4))
    })
  })
})

describe("whole loops with PyTorch's generator", () => {
  const run = (
    scheduler: ScoreSdeVeScheduler,
    model: (x: Tensor<"float32">, sigma: number) => Tensor<"float32">,
  ): { sample: Tensor<"float32">; mean: Tensor<"float32"> } => {
    const generator = new TorchGenerator(0)
    let [sample, mean] = [dummySample(), dummySample()]
    scheduler.timesteps.forEach((t, i) => {
      const sigma = scheduler.sigmas[i]!
      for (let k = 0; k < scheduler.config.correctSteps; k++) {
        sample = scheduler.stepCorrect(model(sample, sigma), sample, { generator }).prevSample
      }
      ;({ prevSample: sample, prevSampleMean: mean } = scheduler.stepPred(model(sample, sigma), t, sample, {
        generator,
      }))
    })
    return { sample, mean }
  }

  test("Diffusers' own test: sum 14372758528, mean 18714530", () => {
    const scheduler = new ScoreSdeVeScheduler()
    scheduler.setSigmas(3)
    scheduler.setTimesteps(3)
    expect(scheduler.sigmas).toHaveLength(2000)
    const { sample } = run(scheduler, (x, t) => scaled(x, v => Math.fround(v * t) / Math.fround(t + 1)))
    const { sum, mean } = sums(sample)
    expect(Math.abs(sum / 14372758528 - 1)).toBeLessThan(1e-6)
    expect(Math.abs(mean / 18714530 - 1)).toBeLessThan(1e-6)
  })

  test.each([3, 10] as const)("the score of a standard normal distribution, %i steps", steps => {
    const { mean } = run(prepared(steps), (x, sigma) =>
      scaled(x, v => -v / Math.fround(Math.fround(sigma * sigma) + 1)),
    )
    const expected = diffusers.loops[`ve_analytic_${steps}`]
    // A step takes nearly all of x away here, which magnifies the last bit of exp().
    expect(Math.abs(sums(mean).mean / expected.mean - 1)).toBeLessThan(1e-5)
  })
})

describe("invariants", () => {
  const configs = fc
    .record({
      sigmaMin: fc.double({ min: 1e-4, max: 1, noNaN: true }),
      ratio: fc.double({ min: 2, max: 1e5, noNaN: true }),
      steps: fc.integer({ min: 2, max: 300 }),
    })
    .map(({ sigmaMin, ratio, steps }) => ({ config: { sigmaMin, sigmaMax: sigmaMin * ratio }, steps }))

  test("noise levels run from one end to the other, monotonously", () => {
    fc.assert(
      fc.property(configs, ({ config, steps }) => {
        const { timesteps, sigmas, discreteSigmas } = prepared(steps, config)
        expect(timesteps[0]).toBe(1)
        for (let i = 1; i < steps; i++) {
          expect(timesteps[i]).toBeLessThan(timesteps[i - 1]!)
          expect(sigmas[i]).toBeLessThan(sigmas[i - 1]!)
          expect(discreteSigmas[i]).toBeGreaterThan(discreteSigmas[i - 1]!)
        }
        expect(discreteSigmas[0]! / config.sigmaMin).toBeCloseTo(1, 5)
        expect(discreteSigmas[steps - 1]! / config.sigmaMax).toBeCloseTo(1, 5)
        expect(sigmas[0]! / config.sigmaMax).toBeCloseTo(1, 5)
      }),
      { numRuns: 30 },
    )
  })

  test("with the default samplingEps, step i is at noise level N − 1 − i, for every N up to 2000", () => {
    const scheduler = new ScoreSdeVeScheduler()
    const one = formula([1, 1], () => 1)
    const zero = formula([1, 1], () => 0)
    for (let steps = 2; steps <= 2000; steps += steps < 100 ? 1 : 63) {
      scheduler.setTimesteps(steps)
      scheduler.setSigmas(steps)
      scheduler.timesteps.forEach((t, i) => {
        const index = steps - 1 - i
        const g2 = scheduler.discreteSigmas[index]! ** 2 - scheduler.getAdjacentSigma(index) ** 2
        const { prevSampleMean } = scheduler.stepPred(one, t, zero, { noise: zero })
        expect(prevSampleMean.data[0]! / g2).toBeCloseTo(1, 3)
      })
    }
  })

  test("without noise and score a step changes nothing", () => {
    const scheduler = prepared(5)
    const [x, zero] = [sampleOf(shape), formula(shape, () => 0)]
    const { prevSample, prevSampleMean } = scheduler.stepPred(zero, 1, x, { noise: zero })
    expect(prevSample.data).toEqual(x.data)
    expect(prevSampleMean.data).toEqual(x.data)
  })

  test("the corrector's step does not depend on the length of the score", () => {
    const scheduler = prepared(5)
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), factor => {
        const [x, noise] = [sampleOf(shape), sineNoise(shape)]
        const a = scheduler.stepCorrect(outputOf(shape), x, { noise }).prevSample.data
        const b = scheduler.stepCorrect(outputOf(shape, factor), x, { noise }).prevSample.data
        // ε·s and √ε·z both scale with 1/‖s‖.
        const scaledBack = b.map((v, i) => x.data[i]! + (v - x.data[i]!) * factor)
        expectFloat32(scaledBack, [...a], 64, Math.max(4, 4 * factor))
      }),
      { numRuns: 50 },
    )
  })

  test("inputs are left alone", () => {
    const scheduler = prepared(5)
    const [x, score] = [sampleOf(shape), outputOf(shape)]
    scheduler.stepPred(score, 1, x)
    scheduler.stepCorrect(score, x)
    scheduler.addNoise(x, undefined, 0)
    expect(x).toEqual(sampleOf(shape))
    expect(score).toEqual(outputOf(shape))
    expect(scheduler.scaleModelInput(x)).toBe(x)
  })
})

describe("where noise comes from", () => {
  const scheduler = prepared(5)
  const [x, score] = [sampleOf(shape), outputOf(shape)]

  test("a generator is advanced, a list gives each sample its own", () => {
    const generator = new TorchGenerator(3)
    const first = scheduler.stepPred(score, 1, x, { generator }).prevSample.data
    const second = scheduler.stepPred(score, 1, x, { generator }).prevSample.data
    expect(first).not.toEqual(second)
    const list = scheduler.stepPred(score, 1, x, {
      generator: [new TorchGenerator(3), new TorchGenerator(4)],
    })
    expect(list.prevSample.data).not.toEqual(first)
    const repeated = scheduler.stepPred(score, 1, x, {
      generator: [new TorchGenerator(3), new TorchGenerator(4)],
    })
    expect(repeated.prevSample.data).toEqual(list.prevSample.data)
  })

  test("a counter-based generator will do, and so will none", () => {
    const a = scheduler.stepPred(score, 1, x, { generator: new PhiloxGenerator(1) }).prevSample.data
    expect(scheduler.stepPred(score, 1, x, { generator: new PhiloxGenerator(1) }).prevSample.data).toEqual(a)
    expect(scheduler.stepPred(score, 1, x).prevSample.data.every(Number.isFinite)).toBe(true)
  })

  test("the corrector draws its noise even where it does nothing", () => {
    const generator = new TorchGenerator(5)
    const after = new TorchGenerator(5)
    for (const score of [0, 1e-30]) {
      const sample = scheduler.stepCorrect(
        formula(shape, () => score),
        x,
        { generator },
      ).prevSample
      expect(sample).toEqual(x)
      after.randn(shape)
    }
    expect(generator.randn([4])).toEqual(after.randn([4]))
  })

  test("a generator and noise together are refused", () => {
    expect(() => scheduler.stepPred(score, 1, x, { generator: new TorchGenerator(1), noise: x })).toThrow(
      "Both a generator and noise were given; a step uses one of them.",
    )
  })
})

describe("bad input", () => {
  test.each([0, 1, -3, 2.5, Number.NaN, 1e9])("%d steps", steps => {
    const scheduler = new ScoreSdeVeScheduler()
    for (const act of [() => scheduler.setTimesteps(steps), () => scheduler.setSigmas(steps)]) {
      expect(act).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          message: `numInferenceSteps is ${steps}, but must be a whole number from 2 to 1000000.`,
        }),
      )
    }
    expect(scheduler.timesteps).toHaveLength(2000)
  })

  test.each([
    [{ sigmaMin: 2, sigmaMax: 1 }, "sigmaMin is 2, but must be less than sigma_max, 1."],
    [{ sigmaMin: 1, sigmaMax: 1 }, "sigmaMin is 1, but must be less than sigma_max, 1."],
    [{ sigmaMin: 0 }, "sigmaMin is 0, but must be a number from 1e-18 up to 1000000000000000000."],
    [{ snr: 0 }, "snr is 0, but must be a number greater than 0."],
    [{ snr: -1 }, "snr is -1, but must be a number greater than 0."],
    [{ samplingEps: 1 }, "samplingEps is 1, but must be a number from 0 and less than 1."],
    [{ numTrainTimesteps: 1 }, "numTrainTimesteps is 1, but must be a whole number from 2 up to 1000000."],
    [{ correctSteps: 0.5 }, "correctSteps is 0.5, but must be a whole number from 0 up to 1000."],
  ])("%j", (config, message) => {
    expect(() => new ScoreSdeVeScheduler(config)).toThrow(
      expect.objectContaining({ code: "INVALID_VALUE", message: `ScoreSdeVeScheduler: ${message}` }),
    )
  })

  test("other noise levels for a run are checked too", () => {
    const scheduler = new ScoreSdeVeScheduler()
    expect(() => scheduler.setSigmas(10, { sigmaMax: 0.001 })).toThrow(
      /1e-18 ≤ sigmaMin < sigmaMax ≤ 1000000000000000000 must hold/,
    )
    expect(() => scheduler.setTimesteps(10, 1.5)).toThrow("samplingEps is 1.5, but must lie in [0, 1).")
    scheduler.setTimesteps(4, 0)
    scheduler.setSigmas(4, { sigmaMin: 0.1, sigmaMax: 100 })
    expectFloat32(scheduler.discreteSigmas, [0.1, 1, 10, 100], 4)
    expectFloat32(scheduler.sigmas, [100, 10, 1, 0.1], 4)
  })

  test("a step between setTimesteps and setSigmas", () => {
    const scheduler = new ScoreSdeVeScheduler()
    scheduler.setTimesteps(10)
    expect(() => scheduler.stepPred(outputOf(shape), 1, sampleOf(shape))).toThrow(
      expect.objectContaining({
        code: "NOT_SET_UP",
        message:
          "The scheduler has 10 timesteps, but 2000 noise levels. Call setTimesteps and then setSigmas with the same number of steps.",
      }),
    )
  })

  test("times and noise levels that are not there", () => {
    const scheduler = prepared(10)
    for (const t of [-1, 1.5, Number.NaN]) {
      expect(() => scheduler.stepPred(outputOf(shape), t, sampleOf(shape))).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      )
    }
    for (const index of [-1, 10, 0.5]) {
      expect(() => scheduler.addNoise(sampleOf(shape), undefined, index)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      )
    }
  })

  test("shapes that differ", () => {
    const scheduler = prepared(10)
    const x = sampleOf(shape)
    const message = "modelOutput has the shape [2, 4], but sample has [2, 2, 2, 1]."
    expect(() => scheduler.stepPred(outputOf([2, 4]), 1, x)).toThrow(message)
    expect(() => scheduler.stepCorrect(outputOf([2, 4]), x)).toThrow(message)
    expect(() => scheduler.stepPred(outputOf(shape), [1, 1, 1], x)).toThrow(
      "timestep holds 3 numbers, but the batch has 2 samples.",
    )
    expect(() =>
      scheduler.stepPred(outputOf(shape), 1, x, { noise: x.shape.length ? sineNoise([8]) : x }),
    ).toThrow("noise has the shape [8], but the sample has [2, 2, 2, 1].")
  })

  test("a score that is not finite", () => {
    const scheduler = prepared(10)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() =>
        scheduler.stepCorrect(
          formula(shape, n => (n === 3 ? bad : 1)),
          sampleOf(shape),
        ),
      ).toThrow(/modelOutput holds NaN or infinite numbers/)
    }
  })
})

describe("configuration", () => {
  test("defaults", () => {
    const scheduler = new ScoreSdeVeScheduler()
    expect(scheduler.config).toEqual({
      numTrainTimesteps: 2000,
      snr: 0.15,
      sigmaMin: 0.01,
      sigmaMax: 1348,
      samplingEps: 1e-5,
      correctSteps: 1,
    })
    expect(scheduler).toMatchObject({ length: 2000, order: 1, initNoiseSigma: 1348 })
    expect(scheduler.compatibles).toEqual(["ScoreSdeVeScheduler"])
  })

  test("a file of the first version, with its old class name and without some keys", () => {
    const json = parseJsonObject(
      '{"_class_name": "VeSdeScheduler", "_diffusers_version": "0.0.4", "sampling_eps": 1e-05, "sigma_max": 380, "sigma_min": 0.01, "snr": 0.075}',
    )
    const scheduler = ScoreSdeVeScheduler.fromConfig(json)
    expect(scheduler.config).toMatchObject({ numTrainTimesteps: 2000, correctSteps: 1, sigmaMax: 380 })
    expect(scheduler.toJsonString()).toBe(`{
  "_class_name": "ScoreSdeVeScheduler",
  "_diffusers_version": "0.40.0",
  "correct_steps": 1,
  "num_train_timesteps": 2000,
  "sampling_eps": 1e-05,
  "sigma_max": 380,
  "sigma_min": 0.01,
  "snr": 0.075
}
`)
  })

  test("a saved scheduler takes the same steps", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 50 }),
        fc.double({ min: 1, max: 1e4, noNaN: true }),
        (numTrainTimesteps, sigmaMax) => {
          const first = new ScoreSdeVeScheduler({ numTrainTimesteps, sigmaMax })
          const second = ScoreSdeVeScheduler.fromConfig(parseJsonObject(first.toJsonString()))
          expect(second.config).toEqual(first.config)
          expect(second.discreteSigmas).toEqual(first.discreteSigmas)
        },
      ),
      { numRuns: 30 },
    )
  })

  test("overrides", () => {
    const first = new ScoreSdeVeScheduler({ sigmaMax: 50 })
    const second = ScoreSdeVeScheduler.fromConfig(first.config, { snr: 0.2 })
    expect(second.config).toEqual({ ...first.config, snr: 0.2 })
  })
})
