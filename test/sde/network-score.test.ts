import { expect, test } from "vitest"
import { weightedSum } from "../../src/sde/batch.ts"
import { guidedScore } from "../../src/sde/guidance.ts"
import { type Network, type NetworkVjp, scoreDivergence, scoreFunction } from "../../src/sde/network-score.ts"
import { pcSampler } from "../../src/sde/pc-sampler.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import { gaussianScore } from "./gaussian.ts"
import { formula } from "./mixture.ts"

const x = formula(j => Math.sin(j), [2, 3])
const t = Float32Array.of(0.25, 0.5)

test("a network is given its labels, and its output is scaled for each sample", async () => {
  const sde = new VPSDE({ N: 100 })
  let seen: Float32Array | undefined
  const network: Network = async (x, labels) => {
    seen = labels
    return x
  }
  const score = await scoreFunction(sde, network)(x, t)
  expect([...seen!]).toEqual([249.75, 499.5])
  const { std } = sde.marginalProb(x, t)
  score.data.forEach((value, i) => {
    expect(value).toBeCloseTo(-x.data[i]! / std[Math.floor(i / 3)]!, 6)
  })
  await scoreFunction(sde, network, { continuous: false })(x, t)
  expect([...seen!]).toEqual([24.75, 49.5])
})

test("the divergence of a score is that of its network, scaled the same", async () => {
  const sde = new VPSDE()
  const network: NetworkVjp = async (x, _, v) => ({ output: weightedSum([2, x]), vjp: weightedSum([2, v]) })
  const probe = formula(j => j + 1, [2, 3])
  const { score, divergence } = await scoreDivergence(sde, network)(x, t, probe)
  const { std } = sde.marginalProb(x, t)
  expect(score.data[4]).toBeCloseTo((-2 * x.data[4]!) / std[1]!, 6)
  expect([...Array.from(divergence)]).toEqual([
    expect.closeTo((-2 * 14) / std[0]!, 4),
    expect.closeTo((-2 * 77) / std[1]!, 4),
  ])
})

test("guidance by a classifier", async () => {
  const sde = new VESDE({ N: 200 })
  // Two classes N(±1, 0.3²): with σ² = s² + 0.09, log p(y|x) = −log(1 + e^(−2xy/σ²)).
  const data = { mean: 0, std: Math.sqrt(1.09) }
  let levels: Float32Array | undefined
  const classifier: Network = async (x, sigma) => {
    levels = sigma
    const size = x.data.length / sigma.length
    const gradient = (v: number, i: number) => {
      const k = 2 / (sigma[Math.floor(i / size)]! ** 2 + 0.09)
      return k / (1 + Math.exp(k * v))
    }
    return { ...x, data: x.data.map(gradient) }
  }
  const score: ReturnType<typeof gaussianScore> = async (x, t) => {
    const size = x.data.length / t.length
    const value = (v: number, i: number) => {
      const variance = sde.sigma(t[Math.floor(i / size)]!) ** 2 + 0.09
      return (Math.tanh(v / variance) - v) / variance
    }
    return { ...x, data: x.data.map(value) }
  }
  const plain = await guidedScore(sde, gaussianScore(sde, data), classifier, { scale: 0 })(x, t)
  expect(plain).toEqual(await gaussianScore(sde, data)(x, t))
  expect([...levels!]).toEqual([...sde.marginalProb(x, t).std])

  const guided = guidedScore(sde, score, classifier)
  const { x: samples } = await pcSampler({
    sde,
    score: guided,
    corrector: "langevin",
    shape: [1, 600],
    seed: 0,
  })
  const share = samples.data.filter(value => value > 0).length / 600
  expect(share).toBeGreaterThan(0.99)
  const mean = samples.data.reduce((sum, value) => sum + value, 0) / 600
  expect(Math.abs(mean - 1)).toBeLessThan(0.05)
})
