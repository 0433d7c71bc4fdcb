import { describe, expect, test } from "vitest"
import type { RandomGenerator } from "../../src/random/generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { weightedSum } from "../../src/sde/batch.ts"
import { dequantize } from "../../src/sde/dequantization.ts"
import type { ScoreDivergence } from "../../src/sde/divergence.ts"
import { divergenceByDifferences, exactDivergence, flowDivergence } from "../../src/sde/divergence.ts"
import { type LikelihoodOptions, likelihood } from "../../src/sde/likelihood.ts"
import { scoreDivergence, scoreFunction } from "../../src/sde/network-score.ts"
import { odeSampler } from "../../src/sde/ode-sampler.ts"
import type { SDE } from "../../src/sde/sde.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import fixtures from "../fixtures/sde/score-sde.json" with { type: "json" }
import { gaussianAt, gaussianDivergence } from "./gaussian.ts"
import { dataOf, runLikelihood, sdeOf } from "./golden-runs.ts"
import { difference, formula, type Kind, mixture, mixtureVjp, shape } from "./mixture.ts"
import { OrnsteinUhlenbeck } from "./ornstein-uhlenbeck.ts"

test.each(fixtures.likelihood)("equals score_sde: $sde, $hutchinson", async entry => {
  const probe = entry.hutchinson.toLowerCase() as "rademacher" | "gaussian"
  const result = await runLikelihood(entry, mixtureVjp(entry.sde as Kind), shape, {
    probe,
    generator: new TorchGenerator(0),
  })
  result.bitsPerDim.forEach((bits, b) => {
    expect(Math.abs(bits - entry.bpd[b]!)).toBeLessThan(2e-5)
  })
  expect(difference(result.latents, entry.z)).toBeLessThan(1e-5)
  expect(Math.abs(result.nfe / entry.nfe - 1)).toBeLessThan(0.1)
  expect(result.standardError).toBeUndefined()
})

describe("in closed form", () => {
  test("a score whose flow stands still: 8 evaluations, and the bits of a Gaussian", async () => {
    // With s = −x the drift of VP is zero: z = x.
    const sde = new VPSDE()
    const divergence: ScoreDivergence = async (x, _, probe) => ({
      score: weightedSum([-1, x]),
      divergence: [0, 1].map(b => -probe.data.slice(b * 48, b * 48 + 48).reduce((sum, e) => sum + e ** 2, 0)),
    })
    const x = dataOf("vp", shape)
    const { bitsPerDim, latents, nfe } = await likelihood({ sde, divergence, x, range: [-1, 1], seed: 0 })
    expect(difference(latents, [...x.data])).toBeLessThan(1e-6)
    expect(nfe).toBe(8)
    bitsPerDim.forEach((bits, b) => {
      const square = x.data.subarray(b * 48, b * 48 + 48).reduce((sum, v) => sum + v ** 2, 0) / 48
      expect(bits).toBeCloseTo((0.5 * Math.log(2 * Math.PI) + 0.5 * square) / Math.LN2 + 7, 6)
    })
  })

  const sdes: [string, SDE][] = [
    ["VE", new VESDE()],
    ["VP", new VPSDE()],
    ["sub-VP", new SubVPSDE()],
    ["an SDE of the user's", new OrnsteinUhlenbeck()],
  ]
  const data = { mean: 0.4, std: 0.25 }

  /** Bits per number of x at eps, where a Gaussian flows to the prior. */
  function exactBits(sde: SDE, x: Float32Array, eps: number): number {
    const [mean, variance] = gaussianAt(sde, data, eps)
    const [endMean, endVariance] = gaussianAt(sde, data, sde.T)
    const gain = Math.sqrt(endVariance / variance)
    const z = x.map(value => endMean + (value - mean) * gain)
    const prior = sde.priorLogp({ dtype: "float32", shape: [1, z.length], data: z })[0]!
    return -(prior + z.length * Math.log(gain)) / z.length / Math.LN2 + 8
  }

  test.each(sdes)("Gaussian data of %s to 1e-4 bits", async (_, sde) => {
    const x = formula(j => 0.4 + 0.3 * Math.sin(3 * j), [2, 6])
    const divergence = gaussianDivergence(sde, data)
    for (const options of [{ probe: "rademacher" }, { probe: "exact", stepSize: "sample" }] as const) {
      const result = await likelihood({ sde, divergence, x, range: [0, 1], seed: 0, ...options })
      result.bitsPerDim.forEach((bits, b) => {
        expect(Math.abs(bits - exactBits(sde, x.data.slice(b * 6, b * 6 + 6), 1e-5))).toBeLessThan(1e-4)
      })
    }
  })

  test.each(sdes.slice(1))("for %s that is the density of the data", async (_, sde) => {
    const x = formula(j => 0.4 + 0.3 * Math.sin(3 * j), [1, 6])
    const { bitsPerDim } = await likelihood({
      sde,
      divergence: gaussianDivergence(sde, data),
      x,
      range: [0, 1],
      seed: 0,
    })
    const nats = [...x.data].map(
      value => 0.5 * ((value - 0.4) / 0.25) ** 2 + Math.log(0.25 * Math.sqrt(2 * Math.PI)),
    )
    const bits = nats.reduce((sum, value) => sum + value, 0) / 6 / Math.LN2 + 8
    expect(Math.abs(bitsPerDim[0]! - bits)).toBeLessThan(3e-3)
  })

  test("latents lead back to the pictures", async () => {
    const sde = sdeOf("subvp", 1000)
    const x = dataOf("subvp", shape)
    const { latents } = await likelihood({
      sde,
      divergence: scoreDivergence(sde, mixtureVjp("subvp")),
      x,
      range: [-1, 1],
      eps: 1e-3,
      seed: 0,
    })
    const back = await odeSampler({ sde, score: scoreFunction(sde, mixture("subvp")), latents, eps: 1e-3 })
    expect(difference(back.x, [...x.data])).toBeLessThan(1e-3)
  })
})

describe("probes", () => {
  const sde = sdeOf("vp", 1000)
  const x = dataOf("vp", shape)
  const base: LikelihoodOptions = {
    sde,
    divergence: scoreDivergence(sde, mixtureVjp("vp")),
    x,
    range: [-1, 1],
    rtol: 1e-3,
    atol: 1e-3,
  }

  test("average to the exact divergence, within their standard error", async () => {
    const exact = await likelihood({ ...base, probe: "exact" })
    const { bitsPerDim, standardError, nfe } = await likelihood({
      ...base,
      probe: "gaussian",
      probes: 20,
      seed: 1,
    })
    bitsPerDim.forEach((bits, b) => {
      const error = standardError![b]!
      expect(error).toBeGreaterThan(1e-3)
      expect(error).toBeLessThan(0.2)
      expect(Math.abs(bits - exact.bitsPerDim[b]!)).toBeLessThan(4 * error)
    })
    expect(nfe).toBeGreaterThan(20 * 8)
    // The exact one counts each of the 48 axes.
    expect(exact.nfe % 48).toBe(0)
    // The Jacobian is diagonal here, and ±1 squared is 1.
    const rademacher = await likelihood({ ...base, probes: 2, seed: 1 })
    expect(rademacher.standardError![0]).toBeLessThan(1e-9)
    expect(rademacher.bitsPerDim[0]).toBeCloseTo(exact.bitsPerDim[0]!, 3)
  })

  test("can be given", async () => {
    const probe = formula(j => Math.SQRT2 * Math.sin(0.61 * j + 0.4))
    const draws: RandomGenerator = {
      randn: () => probe,
      rand: () => probe,
      randint: () => {
        throw new Error("not asked for")
      },
      nextBatch: () => draws,
    }
    const given = await likelihood({ ...base, probe })
    expect(given.bitsPerDim).toEqual(
      (await likelihood({ ...base, probe: "gaussian", generator: draws })).bitsPerDim,
    )
  })

  test("by differences of the score, without a gradient", async () => {
    const probe = formula(j => (Math.sin(1.3 * j + 0.2) < 0 ? -1 : 1))
    const divergence = divergenceByDifferences(scoreFunction(sde, mixture("vp")))
    const t = Float32Array.of(0.3, 0.8)
    const [approximate, exact] = [await divergence(x, t, probe), await base.divergence(x, t, probe)]
    expect(approximate.score).toEqual(exact.score)
    for (const b of [0, 1]) {
      expect(Math.abs(approximate.divergence[b]! / exact.divergence[b]! - 1)).toBeLessThan(1e-2)
    }
  })

  test("the exact divergence of a Jacobian that is not diagonal", async () => {
    // s = A·x with A = [[1, 2], [3, 4]] in both samples, and the drift −½β(x + s).
    const linear: ScoreDivergence = async (x, _, e) => ({
      score: x,
      divergence: [0, 2].map(i => {
        const [a, b] = [e.data[i]!, e.data[i + 1]!]
        return a ** 2 + 5 * a * b + 4 * b ** 2
      }),
    })
    const at = formula(j => j, [2, 2])
    const { divergence } = await exactDivergence(flowDivergence(sde, linear))(at, Float32Array.of(0.5, 0), at)
    expect(divergence[0]).toBeCloseTo(-0.5 * 10.05 * (2 + 5), 4)
    expect(divergence[1]).toBeCloseTo(-0.5 * 0.1 * (2 + 5), 4)
  })
})

test("dequantisation spreads each level over its 256th", () => {
  const levels = formula(j => (j % 256) / 255, [4, 16, 16])
  const x = dequantize(levels, new TorchGenerator(0))
  const u = new TorchGenerator(0).rand([4, 16, 16])
  x.data.forEach((value, j) => {
    expect(value).toBeCloseTo(((j % 256) + u.data[j]!) / 256, 6)
    expect(value >= 0 && value < 1).toBe(true)
  })
})

describe("bad input", () => {
  const sde = new VPSDE()
  const divergence = gaussianDivergence(sde, { mean: 0, std: 1 })
  const x = formula(j => Math.sin(j), [2, 3])
  const run = (options: Partial<LikelihoodOptions>) =>
    likelihood({ sde, divergence, x, range: [-1, 1], ...options })

  test.each<[string, Partial<LikelihoodOptions>]>([
    [
      "x holds -0.756802499294281, but the model's pictures lie in [0, 1]. Scale the pictures",
      { range: [0, 1] },
    ],
    ["x holds NaN, but the model's pictures lie in [-1, 1].", { x: formula(() => Number.NaN, [1, 2]) }],
    ["The range [1, -1] is empty.", { range: [1, -1] }],
    ["probe has the shape [2, 2], but x has [2, 3].", { probe: formula(() => 1, [2, 2]) }],
    ["probes is 0, but must be a whole number from 1 to 10000.", { probes: 0 }],
    ["probes is 2, but must be a whole number from 1 to 1.", { probe: "exact", probes: 2 }],
    ["There is nothing in the shape [0, 3].", { x: formula(() => 0, [0, 3]) }],
    ["eps is 0, but must be greater than 0 and less than 1.", { eps: 0 }],
  ])("%s", async (message, options) => {
    await expect(run(options)).rejects.toThrow(message)
  })

  test("NaN from the network says the time and the noise level", async () => {
    const failing: ScoreDivergence = async x => ({
      score: { ...x, data: x.data.map((_, i) => (i === 4 ? Number.NaN : 0)) },
      divergence: [0, 0],
    })
    await expect(run({ divergence: failing })).rejects.toThrow(
      expect.objectContaining({
        code: "NOT_FINITE",
        message: expect.stringMatching(
          /^The network returned NaN for sample 1 at t = 0\.00001000, σ = 0\.00100/,
        ),
      }),
    )
    const infinite: ScoreDivergence = async x => ({ score: x, divergence: [0, Number.NaN] })
    await expect(run({ divergence: infinite })).rejects.toThrow(
      expect.objectContaining({
        code: "NOT_FINITE",
        message: expect.stringMatching(/^The divergence of the score is NaN for sample 1 at t = 0\.00001000/),
      }),
    )
  })

  test("a stopped run stops", async () => {
    await expect(run({ signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ code: "ABORTED" }),
    )
  })
})
