import { afterAll, expect, it } from "vitest"
import {
  type DiffusionPipeline,
  denoiserFromScore,
  dpmpp2mSampler,
  edmSigmas,
  PhiloxGenerator,
  type RandomGenerator,
  registerCorrector,
  registerPredictor,
  type ScoreModel,
  ScoreSdeVePipeline,
  SDE,
  scoreDivergence,
  scoreFunction,
  type Tensor,
} from "../../src/index.ts"
import { gaussianAt } from "../sde/gaussian.ts"
import { gaussian, sharedGaussianModel } from "./gaussian-model.ts"

/** A user's SDE: noise whose deviation σ(t) = 0.01 + 40t grows evenly, which no model of score_sde has. */
class EvenSDE extends SDE {
  override readonly samplingEps: number = 1e-4

  static sigma(t: number): number {
    return 0.01 + 40 * t
  }

  sde(x: Tensor<"float32">, t: Float32Array) {
    const drift = { ...x, data: new Float32Array(x.data.length) }
    return { drift, diffusion: t.map(time => Math.sqrt(2 * EvenSDE.sigma(time) * 40)) }
  }

  marginalProb(x: Tensor<"float32">, t: Float32Array) {
    return { mean: x, std: t.map(EvenSDE.sigma) }
  }

  priorSampling(shape: readonly number[], generator: RandomGenerator): Tensor<"float32"> {
    const z = generator.randn(shape)
    return { ...z, data: z.data.map(value => EvenSDE.sigma(1) * value) }
  }

  priorLogp(z: Tensor<"float32">): Float64Array {
    const variance = EvenSDE.sigma(1) ** 2
    const size = z.data.length / z.shape[0]!
    return Float64Array.from({ length: z.shape[0]! }, (_, b) => {
      const square = z.data.subarray(b * size, (b + 1) * size).reduce((sum, value) => sum + value ** 2, 0)
      return -(size / 2) * Math.log(2 * Math.PI * variance) - square / (2 * variance)
    })
  }

  /** The network is told σ and returns the score. */
  override conditioning(t: Float32Array) {
    return { labels: t.map(EvenSDE.sigma), outputScale: t.map(() => 1) }
  }
}

/** The pipeline of that SDE: with its score model it has every sampler, likelihoods and latents. */
class EvenPipeline extends ScoreSdeVePipeline {
  override scoreModel({ N = 400 }: { N?: number | undefined } = {}): ScoreModel {
    const sde = new EvenSDE(N)
    return {
      sde,
      score: scoreFunction(sde, (x, labels) => this.unet.forward(x, labels)),
      divergence: scoreDivergence(sde, (x, labels, v) => this.unet.vjp(x, labels, v)),
      range: [0, 1],
      shape: [1, 4, 4],
    }
  }
}

const folder = await sharedGaussianModel()
const pipe: DiffusionPipeline = await EvenPipeline.fromPretrained(folder, { worker: false, threads: 1 })
afterAll(() => pipe.dispose())

it.each([
  { sampler: "ode" },
  { sampler: "heun", numInferenceSteps: 60 },
  { sampler: "stochastic_heun", numInferenceSteps: 60, sChurn: 10 },
  { sampler: "dpmpp_2m", numInferenceSteps: 60 },
  { sampler: "dpmpp_2m_sde", numInferenceSteps: 60 },
  { sampler: "ddim", numInferenceSteps: 100 },
  { sampler: "pc", predictor: "euler_maruyama", numInferenceSteps: 2000 },
] as const)("a user's SDE has the sampler $sampler", async options => {
  const { images } = await pipe({ batchSize: 64, seed: 0, outputType: "pt", ...options })
  // Pictures are clamped to [0, 1]: the median and the middle half of the distribution stay what they are.
  const sorted = images.data.slice().sort()
  const quantile = (part: number) => sorted[Math.floor(part * sorted.length)]!
  expect(Math.abs(quantile(0.5) - gaussian.mean)).toBeLessThan(0.04)
  expect(Math.abs((quantile(0.75) - quantile(0.25)) / (1.349 * gaussian.std) - 1)).toBeLessThan(0.12)
})

it("has a likelihood, which is that of its Gaussian, and latents", async () => {
  const data = Float32Array.from({ length: 32 }, (_, i) => 0.4 + 0.3 * Math.sin(3 * i))
  const x: Tensor<"float32"> = { dtype: "float32", shape: [2, 1, 4, 4], data }
  const { bitsPerDim } = await pipe.likelihood(x, { seed: 0, dequantize: false })
  const { sde } = pipe.scoreModel()
  const [mean, variance] = gaussianAt(sde, gaussian, 1e-5)
  const [endMean, endVariance] = gaussianAt(sde, gaussian, 1)
  const gain = Math.sqrt(endVariance / variance)
  bitsPerDim.forEach((bits, b) => {
    const z = data.slice(16 * b, 16 * b + 16).map(value => endMean + (value - mean) * gain)
    const prior = sde.priorLogp({ dtype: "float32", shape: [1, 16], data: z })[0]!
    expect(Math.abs(bits - (8 - (prior / 16 + Math.log(gain)) / Math.LN2))).toBeLessThan(1e-4)
  })
  const { latents } = await pipe.encode(x)
  const { images } = await pipe.decode(latents, { outputType: "pt" })
  expect(Math.max(...images.data.map((value, i) => Math.abs(value - data[i]!)))).toBeLessThan(1e-3)
})

it("runs with a user's predictor and corrector by their names, and says what it lacks for others", async () => {
  registerPredictor("still", { update: async x => ({ x, mean: x }) })
  registerCorrector("zero", { update: async x => ({ x: { ...x, data: x.data.map(() => 0) }, mean: x }) })
  const options = { numInferenceSteps: 2, outputType: "pt" } as const
  const { images, nfe } = await pipe({ predictor: "still", corrector: "zero", ...options })
  expect(nfe).toBe(0)
  expect(images.data.every(value => value === 0)).toBe(true)
  await expect(pipe({ corrector: "langevin", ...options })).rejects.toMatchObject({
    code: "UNDEFINED",
    message: expect.stringContaining("langevinAlpha"),
  })
  await expect(pipe({ predictor: "ancestral_sampling", ...options })).rejects.toMatchObject({
    code: "UNDEFINED",
    message: expect.stringContaining("EvenSDE is not the limit of a chain"),
  })
  expect(() => registerPredictor("still", { update: async x => ({ x, mean: x }) })).toThrow("already")
})

it("works without a pipeline, from any function that gives a score", async () => {
  const sde = new EvenSDE()
  const network = async (x: Tensor<"float32">, sigma: Float32Array) => ({
    ...x,
    data: x.data.map(value => (gaussian.mean - value) / (gaussian.std ** 2 + sigma[0]! ** 2)),
  })
  const latents = new PhiloxGenerator(0).randn([1, 4])
  const { x, nfe } = await dpmpp2mSampler({
    denoiser: denoiserFromScore(sde, scoreFunction(sde, network)),
    sigmas: edmSigmas({ sigmaMin: 0.02, sigmaMax: 40, steps: 40 }),
    latents: { ...latents, data: latents.data.map(z => 40 * z) },
  })
  expect(nfe).toBe(40)
  latents.data.forEach((z, i) => {
    const end = gaussian.mean + ((40 * z - gaussian.mean) * gaussian.std) / Math.hypot(gaussian.std, 40)
    expect(Math.abs(x.data[i]! - end)).toBeLessThan(5e-3)
  })
})
