import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { weightedSum } from "../../src/sde/batch.ts"
import {
  averagePooling,
  colorization,
  inpainting,
  linearMeasurement,
  type Measurement,
} from "../../src/sde/measurements.ts"
import { projectedSampler } from "../../src/sde/projected-sampler.ts"
import type { ScoreFunction } from "../../src/sde/sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import type { Tensor } from "../../src/tensor.ts"
import fixtures from "../fixtures/sde/score-sde.json" with { type: "json" }
import { gaussianScore } from "./gaussian.ts"
import { runConditional } from "./golden-runs.ts"
import { difference, formula, type Kind, mixture, shape } from "./mixture.ts"

test.each(fixtures.controllable)("equals score_sde: $task, $sde, $predictor, $corrector", async entry => {
  const network = mixture(entry.sde as Kind)
  const denoised = await runConditional(entry, network, shape, true)
  expect(difference(denoised.x, entry.x_denoise)).toBeLessThan(1e-5)
  const noisy = await runConditional(entry, network, shape, false)
  expect(difference(noisy.x, entry.x_no_denoise)).toBeLessThan(1e-5)
})

const data = formula(j => 0.5 + 0.4 * Math.cos(0.3 * j))
const mask = formula(j => (Math.floor(j / 8) % 2 === 0 ? 1 : 0))
const small = formula(j => 0.3 + 0.02 * j, [2, 3, 2, 2])
const halves = (x: Tensor<"float32">) => ({
  ...x,
  shape: [2, 3, 4, 2],
  data: Float32Array.from({ length: 48 }, (_, i) => (x.data[2 * i]! + x.data[2 * i + 1]!) / 2),
})
const measurements: [string, Measurement][] = [
  ["inpainting", inpainting(data, mask)],
  ["colorization", colorization(data)],
  ["averagePooling", averagePooling(small, 2)],
  [
    "linearMeasurement",
    linearMeasurement(halves(data), halves, y => formula(j => y.data[Math.floor(j / 2)]!)),
  ],
]

describe.each(measurements)("%s", (_, measurement) => {
  const known = measurement.known

  test("sees of a picture an orthogonal projection", () => {
    const generator = new TorchGenerator(0)
    const [a, b] = [generator.randn(shape), generator.randn(shape)]
    const product = (x: Tensor<"float32">, y: Tensor<"float32">) =>
      x.data.reduce((sum, value, i) => sum + value * y.data[i]!, 0)
    expect(difference(known(known(a)), [...known(a).data])).toBeLessThan(1e-6)
    expect(product(known(a), b)).toBeCloseTo(product(a, known(b)), 4)
    expect(difference(known(a), [...a.data])).toBeGreaterThan(0.1)
  })

  test.each([
    [new VESDE({ N: 60 }), "langevin"],
    [new VPSDE({ N: 60 }), "none"],
  ])("samples agree with what was measured", async (sde, corrector) => {
    const score = gaussianScore(sde, { mean: 0.5, std: 0.2 })
    const options = { sde, score, measurement, corrector, seed: 4 }
    const { x } = await projectedSampler(options)
    const expected = known(
      sde.marginalProb(measurement.data, Float32Array.of(sde.samplingEps, sde.samplingEps)).mean,
    )
    expect(difference(known(x), [...expected.data])).toBeLessThan(1e-5)
    expect(x.data.every(Number.isFinite)).toBe(true)
    const noisy = await projectedSampler({ ...options, denoise: false })
    const off = difference(known(noisy.x), [...expected.data])
    expect(off).toBeGreaterThan(1e-4)
    expect(off).toBeLessThan(0.2)
  })
})

test("what a mean of two numbers leaves open is filled as the prior says", async () => {
  // Of independent N(0.5, 0.2²) numbers the difference is independent of the mean: N(0, 2·0.2²).
  const sde = new VESDE({ N: 150 })
  const score = gaussianScore(sde, { mean: 0.5, std: 0.2 })
  const measurement = averagePooling(
    formula(() => 0.6, [1, 1, 1, 500]),
    2,
  )
  const { x } = await projectedSampler({ sde, score, measurement, predictor: "reverse_diffusion", seed: 0 })
  const differences = Array.from({ length: 1000 }, (_, i) => x.data[2 * i]! - x.data[2 * i + 1]!)
  const deviation = Math.sqrt(differences.reduce((sum, d) => sum + d ** 2, 0) / 1000)
  expect(Math.abs(deviation - 0.2 * Math.SQRT2)).toBeLessThan(0.03)
})

test("the filled area is denoised, unless score_sde's way is asked for", async () => {
  const sde = new VESDE({ N: 10, sigmaMin: 0.2 })
  // Data without spread: the denoised picture is exactly its mean.
  const score: ScoreFunction = async (x, t) =>
    weightedSum([t.map(time => -1 / sde.sigma(time) ** 2), weightedSum([1, x], [-1, formula(() => 0.5)])])
  const measurement = inpainting(
    formula(() => 0.5),
    mask,
  )
  for (const [compat, expected] of [
    [false, 0],
    [true, 0.2],
  ] as const) {
    const { x } = await projectedSampler({ sde, score, measurement, compat, seed: 1 })
    const open = x.data.filter((_, i) => mask.data[i] === 0)
    const deviation = Math.sqrt(open.reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / open.length)
    expect(Math.abs(deviation - expected)).toBeLessThan(expected === 0 ? 1e-3 : 0.05)
  }
})

test("a mask is repeated along axes of size 1", () => {
  const [all, row] = [inpainting(data, mask), formula(j => (j < 2 ? 1 : 0), [1, 1, 4, 1])]
  const repeated = inpainting(data, row)
  expect(repeated.known(data)).toEqual(all.known(data))
  const channel = inpainting(
    data,
    formula(j => (j === 1 ? 1 : 0), [1, 3, 1, 1]),
  ).known(data)
  expect([...channel.data]).toEqual([
    ...data.data.map((value, j) => (Math.floor(j / 16) % 3 === 1 ? value : 0)),
  ])
})

describe("bad input", () => {
  test.each<[string, () => unknown]>([
    [
      "The mask has the shape [2, 3, 4, 5], but the picture has [2, 3, 4, 4]. Give a mask of the same size",
      () =>
        inpainting(
          data,
          formula(() => 1, [2, 3, 4, 5]),
        ),
    ],
    [
      "The mask has the shape [4, 4], but the picture has",
      () =>
        inpainting(
          data,
          formula(() => 1, [4, 4]),
        ),
    ],
    [
      "The mask holds other numbers than 0 and 1.",
      () =>
        inpainting(
          data,
          formula(() => 0.5),
        ),
    ],
    [
      "The mask holds other numbers than 0 and 1.",
      () =>
        inpainting(
          data,
          formula(() => Number.NaN),
        ),
    ],
    ["A picture has the shape [2, 3], but [batch,", () => colorization(formula(() => 1, [2, 3]))],
    [
      "A picture has the shape [2, 3], but [batch,",
      () =>
        averagePooling(
          formula(() => 1, [2, 3]),
          2,
        ),
    ],
    ["factor is 1.5, but must be a whole number from 1 up.", () => averagePooling(small, 1.5)],
    ["factor is 0, but must be a whole number from 1 up.", () => averagePooling(small, 0)],
  ])("%s", (message, make) => {
    expect(make).toThrow(message)
  })

  test("latents of another size", async () => {
    const sde = new VESDE({ N: 10 })
    const latents = formula(() => 1, [1, 3, 4, 4])
    await expect(
      projectedSampler({ sde, score: async x => x, measurement: inpainting(data, mask), latents }),
    ).rejects.toThrow("latents has the shape [1, 3, 4, 4], but the measured picture has [2, 3, 4, 4].")
  })
})
