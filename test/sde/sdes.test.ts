import { describe, expect, test } from "vitest"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { weightedSum } from "../../src/sde/batch.ts"
import type { SDE } from "../../src/sde/sde.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import { formula } from "./mixture.ts"
import { CompleteOrnsteinUhlenbeck, OrnsteinUhlenbeck } from "./ornstein-uhlenbeck.ts"

const [ve, vp, subVp] = [new VESDE(), new VPSDE(), new SubVPSDE()]
const x = formula(j => Math.sin(j), [5, 2, 3])
const at = (t: number) => new Float32Array(5).fill(t)

/** Expects the seven digits that the reference numbers have. */
function expectClose(actual: number, expected: number, absolute = 0) {
  expect(Math.abs(actual - expected)).toBeLessThan(1e-6 * Math.abs(expected) + absolute)
}

describe("closed forms", () => {
  // Computed in float64 from the formulas of the paper, with β from 0.1 to 20 and σ from 0.01 to 50.
  test.each([
    [1e-5, 0.9999994995, 0.001000497, 1.000994e-6, 0.31654226, 4.4788e-4, 0.01000085, 0.04127625],
    [1e-3, 0.9999450265, 0.01048542, 1.09944e-4, 0.34626579, 5.134502e-3, 0.01008554, 0.04162576],
    [0.1, 0.9467217988, 0.32205254, 0.10371784, 1.4456832, 0.64113775, 0.02343673, 0.09672979],
    [0.5, 0.2811828808, 0.9596542, 0.92093619, 3.1701735, 3.1602494, Math.SQRT1_2, 2.9184231],
    [1, 0.0065715865, 0.99997841, 0.99995681, 4.472136, 4.472136, 50, 206.363674],
  ])("t = %d", (t, scale, vpStd, subVpStd, vpG, subVpG, sigma, veG) => {
    // 1 − exp(…) is rounded to a multiple of 2⁻²⁴, as in the networks' training.
    const rounding = 2 ** -24
    expectClose(vp.marginalProb(x, at(t)).mean.data[1]!, scale * x.data[1]!)
    expectClose(vp.marginalProb(x, at(t)).std[0]! ** 2, vpStd ** 2, rounding)
    expectClose(subVp.marginalProb(x, at(t)).std[0]!, subVpStd, rounding)
    expectClose(vp.sde(x, at(t)).diffusion[0]!, vpG)
    expectClose(subVp.sde(x, at(t)).diffusion[0]! ** 2, subVpG ** 2, vpG ** 2 * rounding)
    expectClose(ve.marginalProb(x, at(t)).std[0]!, sigma)
    expectClose(ve.sde(x, at(t)).diffusion[0]!, veG)
    expect(ve.marginalProb(x, at(t)).mean).toBe(x)
  })

  test("tables of the chains", () => {
    expectClose(vp.discreteBetas[0]!, 1e-4)
    expectClose(vp.discreteBetas[999]!, 0.02)
    expectClose(vp.sqrt1mAlphasCumprod[499]! ** 2, 1 - 0.0785872429)
    expectClose(1 - vp.sqrt1mAlphasCumprod[999]! ** 2, 4.0358298e-5, 1e-7)
    expectClose(ve.discreteSigmas[1]!, 0.01008562)
    expectClose(ve.discreteSigmas[998]!, 49.575526)
  })

  test("drifts", () => {
    expect(ve.sde(x, at(0.3)).drift.data.every(value => value === 0)).toBe(true)
    for (const sde of [vp, subVp]) expectClose(sde.sde(x, at(0.5)).drift.data[1]!, -0.5 * 10.05 * x.data[1]!)
  })
})

describe("discretisation", () => {
  test("VE: variances that add up, and all of the least for the first step", () => {
    const t = Float32Array.of(0, 1 / 999, 0.5, 998 / 999, 1)
    const { f, G } = ve.discretize(x, t)
    expect(f.data.every(value => value === 0)).toBe(true)
    const s = ve.discreteSigmas
    const variances = [s[0]! ** 2, ...[1, 499, 998, 999].map(i => s[i]! ** 2 - s[i - 1]! ** 2)]
    G.forEach((g, i) => {
      expectClose(g, Math.sqrt(variances[i]!))
    })
  })

  test("VP: the chain of DDPM", () => {
    const { f, G } = vp.discretize(x, at(0.5))
    const beta = vp.discreteBetas[499]!
    expectClose(G[0]!, Math.sqrt(beta))
    expectClose(f.data[1]!, (Math.sqrt(1 - beta) - 1) * x.data[1]!)
  })

  test.each([subVp, new OrnsteinUhlenbeck({ N: 50 })])("otherwise Euler–Maruyama", sde => {
    const dt = sde.T / sde.N
    const { drift, diffusion } = sde.sde(x, at(0.5))
    const { f, G } = sde.discretize(x, at(0.5))
    expectClose(f.data[1]!, drift.data[1]! * dt)
    expectClose(G[0]!, diffusion[0]! * Math.sqrt(dt))
  })

  test.each([2, 10, 50, 232, 500, 1000, 1086, 2000, 4999])(
    "step k of %d steps takes entry N−1−k of the tables",
    N => {
      const sde = new VESDE({ N })
      for (let k = 0; k < N; k++) {
        const t = Math.fround(1 - (k * (1 - 1e-5)) / (N - 1))
        const i = N - 1 - k
        const below = i === 0 ? 0 : sde.discreteSigmas[i - 1]!
        expectClose(
          sde.discretize(
            formula(() => 0, [1, 1]),
            Float32Array.of(t),
          ).G[0]!,
          Math.sqrt(sde.discreteSigmas[i]! ** 2 - below ** 2),
        )
      }
    },
  )

  test("of VP is refused where β reaches 1", () => {
    const coarse = new VPSDE({ N: 20 })
    const error = expect.objectContaining({
      code: "UNDEFINED",
      message:
        "With N = 20 steps the chain of VPSDE has a β of 1, but it must stay below 1. Take more than 20 steps, or the predictor euler_maruyama without a corrector.",
    })
    expect(() => coarse.discretize(x, at(0.5))).toThrow(error)
    expect(() => coarse.langevinAlpha(at(0.5))).toThrow(error)
    expect(() => coarse.conditioning(at(0.5), false)).toThrow(error)
    expect(new VPSDE({ N: 21 }).discretize(x, at(1)).G[0]).toBeCloseTo(Math.sqrt(20 / 21))
  })
})

describe("the prior", () => {
  test.each([
    [ve, 50, 0],
    [vp, 1, 0],
    [subVp, 1, 0],
    [new OrnsteinUhlenbeck(), 1, 0.5],
  ])("is drawn, and has a density", (sde, std, mean) => {
    const z = sde.priorSampling(x.shape, new TorchGenerator(3))
    const noise = new TorchGenerator(3).randn(x.shape)
    z.data.forEach((value, i) => {
      expectClose(value, mean + std * noise.data[i]!)
    })
    const logp = sde.priorLogp(z)
    expect(logp).toHaveLength(5)
    const squares = noise.data.subarray(6, 12).reduce((sum, e) => sum + e ** 2, 0)
    expect(logp[1]).toBeCloseTo(-6 * Math.log(std * Math.sqrt(2 * Math.PI)) - squares / 2, 4)
  })
})

describe("what networks are given, and what their output means", () => {
  const t = Float32Array.of(0, 1 / 999, 0.5, 998 / 999, 1)

  test("VE", () => {
    const continuous = ve.conditioning(t, true)
    expectClose(continuous.labels[2]!, Math.sqrt(0.5))
    expect([...continuous.outputScale]).toEqual([1, 1, 1, 1, 1])
    const discrete = ve.conditioning(t, false)
    // 0.5·999 rounds to the even number.
    expect([...discrete.labels]).toEqual([999, 998, 500, 1, 0])
    expect([...discrete.outputScale]).toEqual([1, 1, 1, 1, 1])
  })

  test("VP", () => {
    const few = new VPSDE({ N: 500 })
    const continuous = few.conditioning(t, true)
    expect(continuous.labels[2]).toBe(499.5)
    expectClose(continuous.outputScale[2]!, -1 / 0.9596542)
    const discrete = few.conditioning(t, false)
    expect(discrete.labels[2]).toBe(249.5)
    expectClose(discrete.outputScale[2]!, -1 / few.sqrt1mAlphasCumprod[249]!)
  })

  test.each([true, false])("sub-VP, and SDEs of users", continuous => {
    for (const sde of [subVp, new OrnsteinUhlenbeck()]) {
      const { labels, outputScale } = sde.conditioning(at(0.5), continuous)
      expect(labels[0]).toBe((0.5 / sde.T) * 999)
      expectClose(outputScale[0]!, -1 / sde.marginalProb(x, at(0.5)).std[0]!)
    }
  })
})

describe("the reverse", () => {
  const score = async () => formula(j => Math.cos(j), x.shape)

  test.each([ve, vp, subVp, new OrnsteinUhlenbeck()])("SDE and probability flow", async sde => {
    const t = at(0.4)
    const forward = { sde: sde.sde(x, t), discrete: sde.discretize(x, t) }
    for (const probabilityFlow of [false, true]) {
      const reverse = sde.reverse(score, { probabilityFlow })
      const c = probabilityFlow ? 0.5 : 1
      const { drift, diffusion } = await reverse.sde(x, t)
      const g = forward.sde.diffusion[0]!
      expect(drift.data[7]).toBeCloseTo(forward.sde.drift.data[7]! - c * g ** 2 * Math.cos(7), 2)
      expect(diffusion[0]).toBe(probabilityFlow ? 0 : g)
      const { f, G } = await reverse.discretize(x, t)
      const chainG = forward.discrete.G[0]!
      expect(f.data[7]).toBeCloseTo(forward.discrete.f.data[7]! - c * chainG ** 2 * Math.cos(7), 6)
      expect(G[0]).toBe(probabilityFlow ? 0 : chainG)
      expect([reverse.T, reverse.N]).toEqual([sde.T, sde.N])
    }
  })
})

describe("noise levels", () => {
  const bisected = (sde: SDE) => Object.getPrototypeOf(SubVPSDE.prototype).timeAt.bind(sde) as SDE["timeAt"]

  test.each([
    ["VE", ve, 0.7],
    ["VP", vp, 0.7],
    ["sub-VP", subVp, 0.7],
    ["Ornstein–Uhlenbeck", new OrnsteinUhlenbeck(), 0.7],
    ["VP", vp, 20],
    ["VE", ve, 0.011],
    ["VP with a constant β", new VPSDE({ betaMin: 5, betaMax: 5 }), 3],
  ])("of %s and their times are each other's inverse", (_, sde, sigma) => {
    const t = sde.timeAt(sigma)
    expect(sde.noiseLevel(t).sigma / sigma).toBeCloseTo(1, 4)
    expect(bisected(sde)(sigma)).toBeCloseTo(t, 4)
    const { mean, std } = sde.marginalProb(weightedSum([1, x]), at(t))
    const { scale } = sde.noiseLevel(t)
    expect(std[0]! / scale / sigma).toBeCloseTo(1, 4)
    expect((mean.data[1]! - mean.data[0]!) / (x.data[1]! - x.data[0]!)).toBeCloseTo(scale, 5)
  })

  test.each([
    [ve, 0.009],
    [ve, 51],
    [vp, 153],
    [vp, -1],
    [subVp, Number.NaN],
    [new OrnsteinUhlenbeck(), 1e4],
  ])("beyond those of the SDE are refused", (sde, sigma) => {
    expect(() => sde.timeAt(sigma)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(`The noise level ${sigma} is not one of this SDE's, which go from`),
      }),
    )
  })
})

test("the divergence of a drift along a probe", () => {
  const probe = formula(j => Math.cos(3 * j), x.shape)
  const squares = (b: number) => probe.data.subarray(b * 6, b * 6 + 6).reduce((sum, e) => sum + e ** 2, 0)
  const slopes: [SDE, number][] = [
    [ve, 0],
    [vp, -0.5 * 10.05],
    [new OrnsteinUhlenbeck(), -1.5],
  ]
  for (const [sde, slope] of slopes) {
    expect(sde.driftDivergence(x, at(0.5), probe)[3]).toBeCloseTo(slope * squares(3), 4)
  }
})

test("ancestral steps of a user's SDE are its own", () => {
  expect(new OrnsteinUhlenbeck().ancestral).toBeUndefined()
  const { mean } = new CompleteOrnsteinUhlenbeck().ancestral(
    x,
    at(1),
    formula(() => 1, x.shape),
  )
  expect(mean.data[1]).toBeCloseTo(x.data[1]! + 0.004 * 1.5 * (x.data[1]! - 0.5) + 0.012, 5)
})

describe("bad parameters", () => {
  test.each([1, 0, -5, 2.5, Number.NaN, 1e7])("N = %d", N => {
    for (const make of [() => new VESDE({ N }), () => new VPSDE({ N }), () => new SubVPSDE({ N })]) {
      expect(make).toThrow(`N is ${N}, but must be a whole number from 2 to 1000000.`)
    }
  })

  test.each([
    [50, 50],
    [50, 0.01],
    [0, 1],
    [-1, 1],
    [0.01, Number.POSITIVE_INFINITY],
    [Number.NaN, 1],
  ])("σ from %d to %d", (sigmaMin, sigmaMax) => {
    expect(() => new VESDE({ sigmaMin, sigmaMax })).toThrow(
      `sigmaMin is ${sigmaMin} and sigmaMax ${sigmaMax}, but 0 < sigmaMin < sigmaMax must hold.`,
    )
  })

  test.each([
    [20, 0.1],
    [-1, 1],
    [0, 0],
    [0, Number.NaN],
  ])("β from %d to %d", (betaMin, betaMax) => {
    expect(() => new VPSDE({ betaMin, betaMax })).toThrow(
      `betaMin is ${betaMin} and betaMax ${betaMax}, but 0 ≤ betaMin ≤ betaMax and 0 < betaMax must hold.`,
    )
  })
})
