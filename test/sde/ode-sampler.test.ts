import { describe, expect, test } from "vitest"
import { scoreFunction } from "../../src/sde/network-score.ts"
import { odeEncoder, odeSampler } from "../../src/sde/ode-sampler.ts"
import type { FlowProgress } from "../../src/sde/probability-flow.ts"
import type { SDE } from "../../src/sde/sde.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import fixtures from "../fixtures/sde/score-sde.json" with { type: "json" }
import { gaussianAt, gaussianScore } from "./gaussian.ts"
import { runOde, sdeOf } from "./golden-runs.ts"
import { difference, formula, type Kind, mixture, shape } from "./mixture.ts"
import { OrnsteinUhlenbeck } from "./ornstein-uhlenbeck.ts"

test.each(fixtures.ode)("equals score_sde: $sde, denoise $denoise", async entry => {
  const { x, nfe } = await runOde(entry, mixture(entry.sde as Kind), shape)
  expect(difference(x, entry.x)).toBeLessThan(entry.sde === "ve" ? 1e-6 : 5e-4)
  const solver = nfe - Number(entry.denoise)
  // VP's std is a staircase in float32: a rounding of exp decides about steps.
  if (entry.sde === "vp") expect(Math.abs(solver / entry.nfe - 1)).toBeLessThan(0.1)
  else expect(solver).toBe(entry.nfe)
})

const data = { mean: 0.4, std: 0.25 }
const sdes: [string, SDE][] = [
  ["VE", new VESDE()],
  ["VP", new VPSDE()],
  ["sub-VP", new SubVPSDE()],
  ["an SDE of the user's", new OrnsteinUhlenbeck()],
]

test.each(sdes)("Gaussian data of %s flows to its latents and back, in closed form", async (_, sde) => {
  const score = gaussianScore(sde, data)
  const x = formula(j => 0.4 + 0.3 * Math.sin(3 * j), [2, 5])
  const eps = sde.samplingEps
  const [fromMean, fromVariance] = gaussianAt(sde, data, eps)
  const [toMean, toVariance] = gaussianAt(sde, data, sde.T)
  const latents = x.data.map(value => toMean + (value - fromMean) * Math.sqrt(toVariance / fromVariance))

  for (const stepSize of ["batch", "sample"] as const) {
    const encoded = await odeEncoder({ sde, score, x, stepSize })
    expect(difference(encoded.x, [...latents])).toBeLessThan(1e-4)
    const decoded = await odeSampler({ sde, score, latents: encoded.x, stepSize })
    expect(difference(decoded.x, [...x.data])).toBeLessThan(2e-4)
    expect(decoded.nfe).toBeGreaterThan(8)
  }
})

describe("steps", () => {
  const sde = sdeOf("ve", 1000)
  const score = scoreFunction(sde, async (x, sigma) => {
    const size = x.data.length / sigma.length
    const value = (v: number, i: number) => 0.8 * Math.tanh((v * 0.8) / sigma[Math.floor(i / size)]!) - v
    return { ...x, data: x.data.map((v, i) => value(v, i) / (0.04 + sigma[Math.floor(i / size)]! ** 2)) }
  })
  const latents = formula(j => 50 * Math.sin(7 * j) * (j < 4 ? 1 : 0.01), [3, 4])
  const second = { ...latents, shape: [1, 4], data: latents.data.slice(4, 8) }

  test("of its own for each sample make it independent of its batch", async () => {
    const whole = await odeSampler({ sde, score, latents, stepSize: "sample" })
    const alone = await odeSampler({ sde, score, latents: second, stepSize: "sample" })
    expect([...whole.x.data.subarray(4, 8)]).toEqual([...alone.x.data])
    expect(whole.nfe).toBeGreaterThanOrEqual(alone.nfe)
    expect((await odeSampler({ sde, score, latents: second })).x).toEqual(alone.x)
  })

  test("shared by the batch depend on all of it, as in score_sde", async () => {
    const whole = await odeSampler({ sde, score, latents })
    const alone = await odeSampler({ sde, score, latents: second })
    expect([...whole.x.data.subarray(4, 8)]).not.toEqual([...alone.x.data])
    expect(difference({ ...second, data: whole.x.data.slice(4, 8) }, [...alone.x.data])).toBeLessThan(1e-2)
  })

  test("are bounded in number", async () => {
    await expect(odeSampler({ sde, score, latents, maxSteps: 3 })).rejects.toThrow(
      expect.objectContaining({ code: "TOO_MANY_STEPS" }),
    )
  })
})

describe("a run", () => {
  const sde = new VPSDE()
  const score = gaussianScore(sde, data)

  test("draws its latents from the prior", async () => {
    const { x } = await odeSampler({ sde, score, shape: [1, 4000], seed: 2, rtol: 1e-3, atol: 1e-3 })
    const mean = x.data.reduce((sum, value) => sum + value, 0) / 4000
    const std = Math.sqrt(x.data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4000)
    expect(mean).toBeCloseTo(0.4, 1)
    expect(std).toBeCloseTo(0.25, 1)
  })

  test("reports the time that it has reached", async () => {
    const progress: FlowProgress[] = []
    const { nfe } = await odeSampler({
      sde,
      score,
      shape: [2, 3],
      seed: 0,
      onProgress: p => progress.push(p),
    })
    expect(progress.map(p => p.nfe)).toEqual(Array.from({ length: nfe }, (_, i) => i + 1))
    expect(progress.every(p => p.from === 1 && p.to === 1e-3)).toBe(true)
    expect(progress[0]!.t).toBe(1)
    progress.slice(1).forEach((p, i) => {
      expect(p.t).toBeLessThanOrEqual(progress[i]!.t)
    })
    expect(progress.at(-1)!.t).toBeLessThan(0.1)
  })

  test("stops when it is aborted", async () => {
    const controller = new AbortController()
    const run = odeSampler({
      sde,
      score,
      shape: [1, 2],
      signal: controller.signal,
      onProgress: ({ nfe }) => {
        if (nfe === 5) controller.abort()
      },
    })
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "ABORTED" }))
  })

  test("says where the network returned NaN", async () => {
    let calls = 0
    const failing: typeof score = async (x, t) =>
      ++calls === 4 ? { ...x, data: x.data.map(() => Number.NaN) } : score(x, t)
    await expect(odeSampler({ sde, score: failing, shape: [1, 2], seed: 0 })).rejects.toThrow(
      expect.objectContaining({
        code: "NOT_FINITE",
        message: expect.stringMatching(/^The network returned NaN for sample 0 at t = 0\.\d+, σ = 1\.000\./),
      }),
    )
  })

  test("checks its end", async () => {
    for (const run of [
      () => odeSampler({ sde, score, shape: [1, 2], eps: 0 }),
      () => odeEncoder({ sde, score, x: formula(() => 0, [1, 2]), eps: 1 }),
    ]) {
      await expect(run()).rejects.toThrow("but must be greater than 0 and less than 1.")
    }
    await expect(odeSampler({ sde, score, shape: [1, 2], rtol: 0 })).rejects.toThrow("rtol is 0")
  })
})
