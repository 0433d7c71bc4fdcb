import { describe, expect, test } from "vitest"
import type { RandomGenerator } from "../../src/random/generator.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { weightedSum } from "../../src/sde/batch.ts"
import { ddimSampler } from "../../src/sde/ddim.ts"
import { type Denoiser, denoiserFromScore } from "../../src/sde/denoiser.ts"
import type { DenoiserSamplerOptions } from "../../src/sde/denoiser-run.ts"
import { dpmpp2mSampler, dpmpp2mSdeSampler } from "../../src/sde/dpm-solver.ts"
import { heunSampler } from "../../src/sde/heun.ts"
import { scoreFunction } from "../../src/sde/network-score.ts"
import {
  edmSchedule,
  edmSigmas,
  type NoiseSchedule,
  veSchedule,
  veSigmas,
  vpSchedule,
  vpSigmas,
} from "../../src/sde/noise-schedules.ts"
import type { SamplerState, Samples } from "../../src/sde/sampler-run.ts"
import { stochasticHeunSampler } from "../../src/sde/stochastic-heun.ts"
import fixtures from "../fixtures/sde/edm.json" with { type: "json" }
import { gaussianScore } from "./gaussian.ts"
import { sdeOf } from "./golden-runs.ts"
import { difference, formula, type Kind, mixture, mixtureDenoiser, shape } from "./mixture.ts"
import { OrnsteinUhlenbeck } from "./ornstein-uhlenbeck.ts"

const range = { sigmaMin: 0.02, sigmaMax: 30, steps: 8 }
const sigmas = { edm: edmSigmas(range), ve: veSigmas(range), vp: vpSigmas(range) }
const schedules: Readonly<Record<string, NoiseSchedule>> = {
  linear: edmSchedule,
  ve: veSchedule,
  vp: vpSchedule(range),
}

describe("equal the original programs", () => {
  const options = () => ({ denoiser: mixtureDenoiser, shape, generator: new TorchGenerator(0) })
  const run = (entry: (typeof fixtures.entries)[number]): Promise<Samples> => {
    const { eta } = entry
    switch (entry.sampler) {
      case "heun":
        return heunSampler({
          ...options(),
          sigmas: sigmas[entry.discretization as "edm"],
          schedule: schedules[entry.schedule!]!,
        })
      case "stochastic-heun":
        return stochasticHeunSampler({
          ...options(),
          sigmas: sigmas.edm,
          sChurn: 4,
          sTmin: 0.05,
          sTmax: 10,
          sNoise: 1.007,
        })
      case "dpmpp-2m":
        return dpmpp2mSampler({ ...options(), sigmas: sigmas.edm })
      case "dpmpp-2m-sde":
        return dpmpp2mSdeSampler({ ...options(), sigmas: sigmas.edm, eta, sNoise: 1.01 })
      default:
        return ddimSampler({ ...options(), sigmas: sigmas.edm, eta })
    }
  }

  test.each(fixtures.entries)("$sampler, $discretization $schedule $eta", async entry => {
    const { x, nfe } = await run(entry)
    // They carry float64, we float32.
    expect(difference(x, entry.x)).toBeLessThan(5e-5)
    expect(nfe).toBe(entry.sampler.includes("heun") ? 15 : 8)
  })

  test("noise levels", () => {
    // k-diffusion computes in float32.
    sigmas.edm.forEach((sigma, i) => {
      expect(Math.abs(sigma - fixtures.sigmas[0]!.sigmas[i]!)).toBeLessThan(1e-5 * sigma + 1e-9)
    })
    const schedule = vpSchedule({
      sigmaMin: Math.sqrt(Math.expm1(0.5 * 19.9 * 1e-6 + 1e-4)),
      sigmaMax: 152.166977,
    })
    expect(schedule.time(152.166977)).toBeCloseTo(1, 7)
    fixtures.sigmas[1]!.sigmas.slice(0, -1).forEach((sigma, i) => {
      const t = 1 + (i / 7) * (1e-3 - 1)
      expect(Math.abs(schedule.sigma(t) - sigma)).toBeLessThan(1e-3 * sigma)
    })
    expect(sigmas.ve[0]! / sigmas.ve[1]!).toBeCloseTo(sigmas.ve[6]! / sigmas.ve[7]!, 10)
    for (const levels of Object.values(sigmas)) {
      expect(levels).toHaveLength(9)
      expect([levels[0], levels[7], levels[8]]).toEqual([expect.closeTo(30, 9), expect.closeTo(0.02, 9), 0])
    }
  })
})

test.each(Object.entries(schedules))("the derivatives of the schedule %s", (_, schedule) => {
  for (const sigma of [0.05, 1, 20]) {
    const t = schedule.time(sigma)
    const h = 1e-5 * t
    const slope = (f: (t: number) => number) => (f(t + h) - f(t - h)) / (2 * h)
    expect(schedule.sigma(t) / sigma).toBeCloseTo(1, 9)
    expect(schedule.sigmaDot(t) / slope(schedule.sigma)).toBeCloseTo(1, 6)
    expect(schedule.scaleDot(t)).toBeCloseTo(slope(schedule.scale), 6)
  }
})

describe("orders of convergence on the ODE", () => {
  // Data N(0, 0.5²): the ODE scales x by √((0.25 + σ²)/(0.25 + σ₀²)).
  const denoiser: Denoiser = async (x, sigma) => weightedSum([sigma.map(s => 0.25 / (0.25 + s ** 2)), x])
  const latents = formula(() => 10, [1, 2])
  const exact = 10 * Math.sqrt((0.25 + 0.1 ** 2) / (0.25 + 100))
  const errorOf = async (sampler: (options: DenoiserSamplerOptions) => Promise<Samples>, steps: number) => {
    // Without the step to 0, which has an order of its own.
    const levels = edmSigmas({ sigmaMin: 0.1, sigmaMax: 10, steps: steps + 1 }).slice(0, -1)
    const { x } = await sampler({ denoiser, sigmas: levels, latents })
    return Math.abs(x.data[0]! - exact)
  }

  test.each([
    ["Heun", heunSampler, 2],
    ["stochastic Heun without noise", stochasticHeunSampler, 2],
    ["DPM-Solver++(2M)", dpmpp2mSampler, 2],
    ["DDIM", ddimSampler, 1],
  ] as const)("%s", async (_, sampler, order) => {
    const ratio = (await errorOf(sampler, 20)) / (await errorOf(sampler, 40))
    expect(Math.log2(ratio)).toBeGreaterThan(order - 0.35)
    expect(Math.log2(ratio)).toBeLessThan(order + 0.6)
  })
})

describe("the denoiser of a score", () => {
  test.each(["ve", "vp", "subvp"] as Kind[])("%s: that of the data, whatever the SDE", async kind => {
    const sde = sdeOf(kind, 1000)
    const denoiser = denoiserFromScore(sde, scoreFunction(sde, mixture(kind)))
    for (const level of [0.02, 0.5, 3, 40]) {
      const sigma = Float32Array.of(level, level * 1.2)
      const x = formula(j => 0.5 * Math.sin(j) + level * Math.cos(5 * j))
      const expected = await mixtureDenoiser(x, sigma)
      // x + σ²·s cancels digits where σ is large.
      expect(difference(await denoiser(x, sigma), [...expected.data])).toBeLessThan(2e-4 + 1e-6 * level ** 2)
    }
  })

  test("of a user's SDE whose mean moves", async () => {
    const sde = new OrnsteinUhlenbeck()
    const denoiser = denoiserFromScore(sde, gaussianScore(sde, { mean: 0.4, std: 0.25 }))
    const x = formula(j => Math.sin(j), [1, 6])
    const { data } = await denoiser(x, Float32Array.of(0.5))
    const expected = x.data.map(value => (0.25 * 0.4 + 0.0625 * value) / (0.25 + 0.0625))
    expect(difference({ ...x, data }, [...expected])).toBeLessThan(1e-4)
  })

  test("refuses noise levels that the SDE does not have", async () => {
    const sde = sdeOf("ve", 1000)
    const denoiser = denoiserFromScore(sde, async x => x)
    await expect(
      heunSampler({ denoiser, sigmas: edmSigmas({ sigmaMin: 0.02, sigmaMax: 80, steps: 4 }), shape }),
    ).rejects.toThrow("The noise level 80 is not one of this SDE's, which go from")
  })
})

describe("Gaussian data comes out of the stochastic samplers", () => {
  const denoiser: Denoiser = async (x, sigma) =>
    weightedSum(
      [sigma.map(s => 0.0625 / (0.0625 + s ** 2)), x],
      [sigma.map(s => (0.4 * s ** 2) / (0.0625 + s ** 2)), formula(() => 1, x.shape)],
    )
  const levels = edmSigmas({ sigmaMin: 0.02, sigmaMax: 30, steps: 40 })
  const options = () => ({ denoiser, sigmas: levels, shape: [1, 4000], seed: 1 })

  test.each<[string, () => Promise<Samples>]>([
    ["stochastic Heun", () => stochasticHeunSampler({ ...options(), sChurn: 20 })],
    ["SDE-DPM-Solver++(2M)", () => dpmpp2mSdeSampler(options())],
    ["DDIM, η = 1", () => ddimSampler({ ...options(), eta: 1 })],
  ])("%s", async (_, run) => {
    const { x } = await run()
    const mean = x.data.reduce((sum, value) => sum + value, 0) / 4000
    const std = Math.sqrt(x.data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4000)
    expect(Math.abs(mean - 0.4)).toBeLessThan(0.02)
    expect(Math.abs(std - 0.25)).toBeLessThan(0.04)
  })
})

describe("a run", () => {
  const samplers = [heunSampler, stochasticHeunSampler, dpmpp2mSampler, dpmpp2mSdeSampler, ddimSampler]

  test.each(samplers)("%o is reported, and starts from latents", async sampler => {
    const states: SamplerState[] = []
    const [a, b] = [new PhiloxGenerator(2), new PhiloxGenerator(2)]
    const latents = weightedSum([sigmas.edm[0]!, a.randn(shape)])
    const given = await sampler({
      denoiser: mixtureDenoiser,
      sigmas: sigmas.edm,
      latents,
      generator: a,
      onStepEnd: state => void states.push(state),
    })
    const drawn = await sampler({ denoiser: mixtureDenoiser, sigmas: sigmas.edm, shape, generator: b })
    expect(given.x).toEqual(drawn.x)
    expect(states.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(states.map(({ time }) => time)).toEqual([...sigmas.edm.slice(0, -1)])
    expect(states.at(-1)!.x).toEqual(given.x)
    expect(states.at(-1)!.nfe).toBe(given.nfe)
  })

  test("deterministic samplers draw nothing but their start", async () => {
    let draws = 0
    const generator: RandomGenerator = new TorchGenerator(0)
    const counting: RandomGenerator = {
      randn: of => {
        draws++
        return generator.randn(of)
      },
      rand: of => generator.rand(of),
      randint: (low, high, of) => generator.randint(low, high, of),
      nextBatch: size => generator.nextBatch(size),
    }
    for (const sampler of [heunSampler, stochasticHeunSampler, dpmpp2mSampler, ddimSampler]) {
      await sampler({ denoiser: mixtureDenoiser, sigmas: sigmas.edm, shape, generator: counting })
    }
    await dpmpp2mSdeSampler({
      denoiser: mixtureDenoiser,
      sigmas: sigmas.edm,
      shape,
      generator: counting,
      eta: 0,
    })
    expect(draws).toBe(5)
  })

  test("NaN says the step and the noise level; a stopped run stops", async () => {
    let calls = 0
    const failing: Denoiser = async x => (++calls === 4 ? { ...x, data: x.data.map(() => Number.NaN) } : x)
    await expect(heunSampler({ denoiser: failing, sigmas: [4, 2, 1, 0], shape })).rejects.toThrow(
      "The network returned NaN for sample 0 at step 2 of 3, σ = 1.000.",
    )
    const controller = new AbortController()
    const onStepEnd = () => controller.abort()
    await expect(
      ddimSampler({
        denoiser: mixtureDenoiser,
        sigmas: [4, 2, 1, 0],
        shape,
        onStepEnd,
        signal: controller.signal,
      }),
    ).rejects.toThrow(expect.objectContaining({ code: "ABORTED" }))
  })
})

describe("bad input", () => {
  const base = { denoiser: mixtureDenoiser, sigmas: sigmas.edm, shape }

  test.each([[[1]], [[1, 1]], [[1, 2]], [[2, Number.NaN]], [[2, -1]], [[Number.POSITIVE_INFINITY, 0]]])(
    "noise levels %j",
    async levels => {
      await expect(heunSampler({ denoiser: mixtureDenoiser, sigmas: levels, shape })).rejects.toThrow(
        "The noise levels must descend, from 2 numbers up and to 0 at least.",
      )
    },
  )

  test.each<[string, () => unknown]>([
    ["steps is 1, but must be", () => edmSigmas({ ...range, steps: 1 })],
    ["rho is 0, but must be greater than 0.", () => edmSigmas({ ...range, rho: 0 })],
    [
      "sigmaMin is 30 and sigmaMax 30, but 0 < sigmaMin < sigmaMax",
      () => veSigmas({ ...range, sigmaMin: 30 }),
    ],
    ["sigmaMin is 0 and sigmaMax 30, but 0 < sigmaMin < sigmaMax", () => vpSigmas({ ...range, sigmaMin: 0 })],
  ])("%s", (message, make) => {
    expect(make).toThrow(message)
  })

  test.each<[string, () => Promise<Samples>]>([
    ["sChurn", () => stochasticHeunSampler({ ...base, sChurn: -1 })],
    ["sNoise", () => stochasticHeunSampler({ ...base, sNoise: -1 })],
    ["eta", () => dpmpp2mSdeSampler({ ...base, eta: -1 })],
    ["sNoise", () => dpmpp2mSdeSampler({ ...base, sNoise: -1 })],
  ])("a negative %s", async (name, run) => {
    await expect(run()).rejects.toThrow(`${name} is -1, but must not be negative.`)
  })

  test.each([-0.1, 1.1, Number.NaN])("DDIM's eta %d", async eta => {
    await expect(ddimSampler({ denoiser: mixtureDenoiser, sigmas: sigmas.edm, shape, eta })).rejects.toThrow(
      `eta is ${eta}, but must lie in [0, 1].`,
    )
  })
})
