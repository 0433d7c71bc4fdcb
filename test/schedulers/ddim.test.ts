import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import diffusers from "../fixtures/schedulers/diffusers.json" with { type: "json" }
import { dummySample, expectFloat32, outputOf, sampleOf, scaled, sineNoise, sums } from "./numbers.ts"

const shape = [2, 2, 2, 1]

interface DDIMCase {
  readonly config: object
  readonly steps: number
  readonly eta: number
  readonly clipped: boolean
  readonly results: [number, number[], number[]][]
}

test.each(diffusers.ddim as DDIMCase[])(
  "steps equal Diffusers': $config, eta $eta, clipped $clipped",
  ({ config, steps, eta, clipped, results }) => {
    const scheduler = DDIMScheduler.fromConfig(config)
    scheduler.setTimesteps(steps)
    for (const [t, prev, original] of results) {
      const varianceNoise = sineNoise(shape)
      const step = scheduler.step(outputOf(shape), t, sampleOf(shape), {
        eta,
        useClippedModelOutput: clipped,
        ...(eta > 0 && { varianceNoise }),
      })
      const scale = Math.max(2, ...prev.map(Math.abs), ...original.map(Math.abs))
      expectFloat32(step.predOriginalSample.data, original, 2, scale)
      expectFloat32(step.prevSample.data, prev, 4, scale)
    }
  },
)

test.each([
  ["ddim", {}, 0],
  ["ddim_v", { predictionType: "v_prediction" }, 0],
  ["ddim_noise", { setAlphaToOne: false, betaStart: 0.01 }, 0.7],
] as const)("a whole loop as in Diffusers' tests: %s", (name, config, eta) => {
  const scheduler = new DDIMScheduler(config)
  scheduler.setTimesteps(10)
  const generator = new TorchGenerator(0)
  let sample = dummySample()
  for (const t of scheduler.timesteps) {
    const output = scaled(sample, x => Math.fround(x * t) / Math.fround(t + 1))
    sample = scheduler.step(output, t, sample, { eta, generator }).prevSample
  }
  expect(Math.abs(sums(sample).sum / diffusers.loops[name].sum - 1)).toBeLessThan(1e-5)
})

describe("invariants", () => {
  test("a network that predicts the noise exactly leads back to the sample, in any number of steps", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), steps => {
        const scheduler = new DDIMScheduler({ clipSample: false })
        scheduler.setTimesteps(steps)
        const [x0, noise] = [sampleOf(shape), sineNoise(shape)]
        let x = scheduler.addNoise(x0, noise, scheduler.timesteps[0]!)
        for (const t of scheduler.timesteps) x = scheduler.step(noise, t, x).prevSample
        expectFloat32(x.data, [...x0.data], 256, 2)
      }),
      { numRuns: 20 },
    )
  })

  test("the three kinds of prediction agree", () => {
    const t = 500
    const [x0, noise] = [sampleOf(shape, 0.9), sineNoise(shape)]
    const outputs = {
      epsilon: noise,
      sample: x0,
      v_prediction: new DDIMScheduler().getVelocity(x0, noise, t),
    }
    const results = Object.entries(outputs).map(([predictionType, output]) => {
      const scheduler = DDIMScheduler.fromConfig({ predictionType })
      scheduler.setTimesteps(10)
      return scheduler.step(output, t, scheduler.addNoise(x0, noise, t)).prevSample.data
    })
    for (const result of results) expectFloat32(result, [...results[0]!], 16, 2)
  })

  test("without eta no noise is drawn", () => {
    const scheduler = new DDIMScheduler()
    scheduler.setTimesteps(10)
    const generator = new TorchGenerator(0)
    scheduler.step(outputOf(shape), 500, sampleOf(shape), { generator })
    expect(generator.randn([4])).toEqual(new TorchGenerator(0).randn([4]))
  })
})

describe("bad input", () => {
  const scheduler = new DDIMScheduler()
  scheduler.setTimesteps(10)

  test("a step before setTimesteps", () => {
    expect(() => new DDIMScheduler().step(outputOf(shape), 5, sampleOf(shape))).toThrow(
      expect.objectContaining({ code: "NOT_SET_UP" }),
    )
  })

  test.each([-0.1, 20, Number.NaN, Number.POSITIVE_INFINITY])("eta %d", eta => {
    expect(() => scheduler.step(outputOf(shape), 500, sampleOf(shape), { eta })).toThrow(
      `eta is ${eta}, but must lie in [0, 1].`,
    )
  })

  test.each([-1, 1000, 0.5])("the timestep %d", t => {
    expect(() => scheduler.step(outputOf(shape), t, sampleOf(shape))).toThrow(
      `The timestep is ${t}, but must be a whole number from 0 to 999.`,
    )
  })

  test("a generator and noise together", () => {
    const options = { eta: 1, generator: new TorchGenerator(0), varianceNoise: sineNoise(shape) }
    expect(() => scheduler.step(outputOf(shape), 500, sampleOf(shape), options)).toThrow(
      "Both a generator and noise were given",
    )
  })

  test("a schedule that only DDPM has", () => {
    expect(() => DDIMScheduler.fromConfig({ beta_schedule: "sigmoid" })).toThrow(
      'scheduler_config.json: beta_schedule is "sigmoid", but must be one of "linear", "scaled_linear", "squaredcos_cap_v2".',
    )
  })
})
