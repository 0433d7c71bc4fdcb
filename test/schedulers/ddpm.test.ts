import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { DDPMScheduler } from "../../src/schedulers/ddpm.ts"
import diffusers from "../fixtures/schedulers/diffusers.json" with { type: "json" }
import { dummySample, expectFloat32, outputOf, sampleOf, scaled, sineNoise, sums } from "./numbers.ts"

const shape = [2, 2, 2, 1]

interface DDPMCase {
  readonly config: { readonly variance_type?: string }
  readonly steps?: number
  readonly timesteps?: number[]
  readonly results: [number, number[], number[]][]
}

describe("steps equal Diffusers'", () => {
  test.each(diffusers.ddpm as unknown as DDPMCase[])("$config", ({ config, steps, timesteps, results }) => {
    const scheduler = DDPMScheduler.fromConfig(config)
    if (steps !== undefined) scheduler.setTimesteps(steps)
    if (timesteps !== undefined) scheduler.setTimesteps({ timesteps })
    const learned = config.variance_type?.startsWith("learned") ?? false
    const plain = learned ? outputOf([2, 4, 2, 1]) : outputOf(shape)
    const output = config.variance_type === "learned" ? scaled(plain, Math.abs) : plain
    for (const [t, prev, original] of results) {
      const step = scheduler.step(output, t, sampleOf(shape), { noise: sineNoise(shape) })
      const scale = Math.max(2, ...original.map(Math.abs))
      expectFloat32(step.predOriginalSample.data, original, 2, scale)
      expectFloat32(step.prevSample.data, prev, 4, scale)
    }
  })

  test("fixed_large_log is fixed_large, where Diffusers has NaN", () => {
    const [log, plain] = (["fixed_large_log", "fixed_large"] as const).map(varianceType => {
      const scheduler = new DDPMScheduler({ varianceType })
      scheduler.setTimesteps(10)
      return scheduler.step(outputOf(shape), 500, sampleOf(shape), { noise: sineNoise(shape) }).prevSample
        .data
    })
    expectFloat32(log!, [...plain!], 4, 2)
  })
})

describe("whole loops with PyTorch's generator, as in Diffusers' tests", () => {
  test.each([
    ["ddpm", {}],
    ["ddpm_v", { predictionType: "v_prediction" }],
  ] as const)("%s", (name, config) => {
    const scheduler = new DDPMScheduler(config)
    const generator = new TorchGenerator(0)
    let sample = dummySample()
    for (const t of scheduler.timesteps) {
      const output = scaled(sample, x => Math.fround(x * t) / Math.fround(t + 1))
      sample = scheduler.step(output, t, sample, { generator }).prevSample
    }
    expect(Math.abs(sums(sample).sum / diffusers.loops[name].sum - 1)).toBeLessThan(1e-5)
  })
})

describe("timesteps", () => {
  test("the last step draws no noise", () => {
    const scheduler = new DDPMScheduler()
    scheduler.setTimesteps(10)
    const generator = new TorchGenerator(0)
    scheduler.step(outputOf(shape), 0, sampleOf(shape), { generator })
    expect(generator.randn([4])).toEqual(new TorchGenerator(0).randn([4]))
  })

  test("custom ones", () => {
    const scheduler = new DDPMScheduler()
    scheduler.setTimesteps({ timesteps: [999, 400, 3] })
    expect(scheduler).toMatchObject({ customTimesteps: true, numInferenceSteps: 3 })
    expect([999, 400, 3].map(t => scheduler.previousTimestep(t))).toEqual([400, 3, -1])
    scheduler.setTimesteps(2)
    expect(scheduler.customTimesteps).toBe(false)
    expect([...scheduler.timesteps]).toEqual([500, 0])
  })

  test.each([
    [[], "The list of timesteps is empty."],
    [[1000, 3], "timesteps[0] is 1000, but must be a whole number from 0 to 999."],
    [[5, 5], "timesteps[1] is 5, but must be a whole number from 0 to 4."],
    [[5, 7], "timesteps[1] is 7, but must be a whole number from 0 to 4."],
    [[5, -1], "timesteps[1] is -1, but must be a whole number from 0 to 4."],
    [[5.5], "timesteps[0] is 5.5, but must be a whole number from 0 to 999."],
  ])("%j are refused, and nothing changes", (timesteps, message) => {
    const scheduler = new DDPMScheduler()
    scheduler.setTimesteps(10)
    expect(() => scheduler.setTimesteps({ timesteps })).toThrow(message)
    expect(scheduler).toMatchObject({ customTimesteps: false, numInferenceSteps: 10 })
  })

  test("one that sampling does not visit is refused", () => {
    const scheduler = new DDPMScheduler()
    scheduler.setTimesteps(10)
    expect(() => scheduler.step(outputOf(shape), 5, sampleOf(shape))).toThrow(
      "Sampling does not visit the timestep 5. Give one of the scheduler's timesteps.",
    )
  })
})

test("the channels of the network's output must fit the variance type", () => {
  const fixed = new DDPMScheduler()
  expect(() => fixed.step(outputOf([2, 4, 2, 1]), 5, sampleOf(shape))).toThrow(
    "modelOutput has the shape [2, 4, 2, 1], but sample has [2, 2, 2, 1].",
  )
  const learned = new DDPMScheduler({ varianceType: "learned_range" })
  expect(() => learned.step(outputOf(shape), 5, sampleOf(shape))).toThrow(
    "modelOutput has the shape [2, 2, 2, 1], but a prediction with its variance has [2, 4, 2, 1].",
  )
})
