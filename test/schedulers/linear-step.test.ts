// Steps as sums, for samplers whose state stays on a device: what the steps themselves compute.
import { expect, test } from "vitest"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import { DDPMScheduler } from "../../src/schedulers/ddpm.ts"
import type { LinearStep } from "../../src/schedulers/linear-step.ts"
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.ts"
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.ts"
import { outputOf, sampleOf, sineNoise } from "./numbers.ts"

const shape = [2, 1, 3, 2]
const [sample, output, noise] = [sampleOf(shape), outputOf(shape), sineNoise(shape)]

function apply(step: LinearStep, clip: number | null): number[] {
  return Array.from(sample.data, (x, i) => {
    const f = output.data[i]!
    const original = step.originalOnSample * x + step.originalOnOutput * f
    const x0 = clip === null ? original : Math.min(Math.max(original, -clip), clip)
    return step.onSample * x + step.onOutput * f + step.onOriginal * x0 + (step.onNoise ?? 0) * noise.data[i]!
  })
}

function expectSame(found: readonly number[], expected: ArrayLike<number>): void {
  expect(found).toHaveLength(expected.length)
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-5 * Math.max(1, Math.abs(expected[i]!)))
  })
}

test("of ScoreSdeVeScheduler", () => {
  const scheduler = new ScoreSdeVeScheduler({ sigmaMax: 30 })
  scheduler.setTimesteps(5)
  scheduler.setSigmas(5)
  for (const t of scheduler.timesteps) {
    const step = scheduler.stepPred(output, t, sample, { noise })
    expectSame(apply(scheduler.linearStep(t), null), step.prevSample.data)
  }
})

test("of ScoreSdeVpScheduler", () => {
  const scheduler = new ScoreSdeVpScheduler()
  expect(() => scheduler.linearStep(1)).toThrow(expect.objectContaining({ code: "NOT_SET_UP" }))
  scheduler.setTimesteps(5)
  for (const t of scheduler.timesteps) {
    const step = scheduler.stepPred(output, sample, t, { noise })
    expectSame(apply(scheduler.linearStep(t), null), step.prevSample.data)
  }
})

const predictions = ["epsilon", "sample", "v_prediction"] as const

test.each(
  predictions.flatMap(predictionType =>
    [true, false].flatMap(clipSample =>
      (["fixed_small", "fixed_large_log"] as const).map(
        varianceType => ({ predictionType, clipSample, varianceType }) as const,
      ),
    ),
  ),
)("of DDPMScheduler: %j", config => {
  const scheduler = new DDPMScheduler({ ...config, clipSampleRange: 1.5 })
  scheduler.setTimesteps(5)
  for (const t of scheduler.timesteps) {
    const step = scheduler.step(output, t, sample, { noise })
    const linear = scheduler.linearStep(t)!
    expect(linear.onNoise === undefined).toBe(t === 0)
    expectSame(apply(linear, scheduler.clip), step.prevSample.data)
  }
})

test.each(
  predictions.flatMap(predictionType =>
    [true, false].flatMap(clipSample =>
      [0, 0.7].flatMap(eta =>
        [true, false].map(
          useClippedModelOutput => ({ predictionType, clipSample, eta, useClippedModelOutput }) as const,
        ),
      ),
    ),
  ),
)("of DDIMScheduler: %j", ({ eta, useClippedModelOutput, ...config }) => {
  const scheduler = new DDIMScheduler(config)
  scheduler.setTimesteps(5)
  for (const t of scheduler.timesteps) {
    const options = { eta, useClippedModelOutput }
    const step = scheduler.step(output, t, sample, {
      ...options,
      ...(eta > 0 && { varianceNoise: noise }),
    })
    const linear = scheduler.linearStep(t, options)!
    expect(linear.onNoise === undefined).toBe(eta === 0)
    expectSame(apply(linear, scheduler.clip), step.prevSample.data)
  }
})

test("there are none with dynamic thresholding or a learned variance", () => {
  for (const config of [{ thresholding: true }, { varianceType: "learned_range" }] as const) {
    const scheduler = new DDPMScheduler(config)
    scheduler.setTimesteps(5)
    expect(scheduler.linearStep(400)).toBeUndefined()
  }
  const scheduler = new DDIMScheduler({ thresholding: true })
  scheduler.setTimesteps(5)
  expect(scheduler.linearStep(400)).toBeUndefined()
})
