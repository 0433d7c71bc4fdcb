import { describe, expect, test } from "vitest"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { meanNorm, weightedSum } from "../../src/sde/batch.ts"
import { type Corrector, registerCorrector } from "../../src/sde/correctors.ts"
import { scoreFunction } from "../../src/sde/network-score.ts"
import { type PcSamplerOptions, pcSampler } from "../../src/sde/pc-sampler.ts"
import { type Predictor, registerPredictor } from "../../src/sde/predictors.ts"
import type { SamplerState } from "../../src/sde/sampler-run.ts"
import type { ScoreFunction, SDE } from "../../src/sde/sde.ts"
import { SubVPSDE } from "../../src/sde/sub-vp-sde.ts"
import { VESDE } from "../../src/sde/ve-sde.ts"
import { VPSDE } from "../../src/sde/vp-sde.ts"
import fixtures from "../fixtures/sde/score-sde.json" with { type: "json" }
import { gaussianScore } from "./gaussian.ts"
import { runPc } from "./golden-runs.ts"
import { difference, formula, type Kind, mixture, shape } from "./mixture.ts"
import { CompleteOrnsteinUhlenbeck, OrnsteinUhlenbeck } from "./ornstein-uhlenbeck.ts"

test.each(fixtures.entries)(
  "equals score_sde: $sde, $predictor, $corrector, N $N, flow $probability_flow, continuous $continuous",
  async entry => {
    const network = mixture(entry.sde as Kind, entry.continuous ? undefined : entry.N)
    const [predictor, corrector] = [entry.predictor !== "none", entry.corrector !== "none"]
    const denoised = await runPc(entry, network, shape, true)
    expect(difference(denoised.x, entry.x_denoise)).toBeLessThan(1e-5)
    expect(denoised.nfe).toBe(entry.N * (Number(predictor) + Number(corrector) * entry.n_steps))
    const noisy = await runPc(entry, network, shape, false)
    expect(difference(noisy.x, entry.x_no_denoise)).toBeLessThan(1e-5)
  },
)

/** Mean and deviation of all numbers. */
function moments(values: Float32Array): readonly [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return [mean, Math.sqrt(variance)]
}

describe("the distribution of Gaussian data comes out", () => {
  const data = { mean: 0.4, std: 0.25 }
  const sdes: [string, SDE][] = [
    ["VE", new VESDE({ N: 150 })],
    ["VP", new VPSDE({ N: 150 })],
    ["sub-VP", new SubVPSDE({ N: 150 })],
    ["an SDE of the user's", new CompleteOrnsteinUhlenbeck({ N: 600, T: 3 })],
  ]
  const methods: Pick<PcSamplerOptions, "predictor" | "corrector" | "probabilityFlow">[] = [
    { predictor: "euler_maruyama" },
    { predictor: "euler_maruyama", probabilityFlow: true },
    { predictor: "reverse_diffusion" },
    { predictor: "reverse_diffusion", probabilityFlow: true },
    { predictor: "reverse_diffusion", corrector: "langevin" },
    { predictor: "reverse_diffusion", corrector: "ald" },
    { predictor: "ancestral_sampling", corrector: null },
  ]
  const runs = sdes.flatMap(([name, sde]) =>
    methods
      .filter(({ predictor }) => predictor !== "ancestral_sampling" || sde.ancestral)
      .map(method => ({ name, sde, method })),
  )

  test.each(runs)("$name, $method", async ({ sde, method }) => {
    const score = gaussianScore(sde, data)
    const { x } = await pcSampler({ sde, score, shape: [1, 1200], seed: 1, snr: 0.1, ...method })
    const [mean, std] = moments(x.data)
    // 1200 numbers, and the bias of a few hundred steps.
    expect(Math.abs(mean - data.mean)).toBeLessThan(0.05)
    expect(Math.abs(std - data.std)).toBeLessThan(0.05)
  })
})

describe("registration", () => {
  const sde = new VESDE({ N: 5 })
  const still: Predictor & Corrector = { update: async x => ({ x, mean: x }) }

  test("a registered predictor and corrector are used by their names", async () => {
    const levels: number[] = []
    registerPredictor("test_halve", {
      update: async x => ({ x: weightedSum([0.5, x]), mean: weightedSum([0.25, x]) }),
    })
    registerCorrector("test_watch", {
      async update(x, t, { snr, nSteps, score }) {
        levels.push(t[0]!, snr, nSteps)
        return { x: await score(x, t), mean: x }
      },
    })
    const { x, nfe } = await pcSampler({
      sde,
      score: async x => weightedSum([2, x]),
      latents: formula(() => 3, [1, 2]),
      predictor: "test_halve",
      corrector: "test_watch",
      snr: 0.3,
      nStepsEach: 7,
    })
    expect([...x.data]).toEqual([1.5, 1.5])
    expect(nfe).toBe(5)
    expect(levels).toHaveLength(15)
    expect(levels.slice(0, 3)).toEqual([1, 0.3, 7])
  })

  test("names are taken once", () => {
    registerPredictor("test_once", still)
    registerCorrector("test_once", still)
    for (const [name, kind, register] of [
      ["test_once", "predictor", registerPredictor],
      ["test_once", "corrector", registerCorrector],
      ["reverse_diffusion", "predictor", registerPredictor],
      ["none", "corrector", registerCorrector],
    ] as const) {
      expect(() => register(name, still)).toThrow(
        expect.objectContaining({
          code: "DUPLICATE_NAME",
          message: `There is a ${kind} named "${name}" already. Register it under another name.`,
        }),
      )
    }
    expect(() => registerPredictor("", still)).toThrow("The name of a predictor is empty.")
  })

  test("one can be given as it is", async () => {
    const latents = formula(j => j, [1, 3])
    const { x, nfe } = await pcSampler({
      sde,
      score: async x => x,
      latents,
      predictor: still,
      corrector: still,
    })
    expect(x).toBe(latents)
    expect(nfe).toBe(0)
  })
})

describe("what is not defined says why", () => {
  const score: ScoreFunction = async x => x
  const sample = (options: Partial<PcSamplerOptions> & { sde: SDE }) =>
    pcSampler({ score, shape, ...options })

  test.each<[string, Partial<PcSamplerOptions> & { sde: SDE }]>([
    [
      "The predictor ancestral_sampling is not defined here: SubVPSDE is not the limit of a chain: it has no method `ancestral`.",
      { sde: new SubVPSDE(), predictor: "ancestral_sampling" },
    ],
    [
      "The predictor ancestral_sampling is not defined here: OrnsteinUhlenbeck is not the limit of a chain: it has no method `ancestral`. euler_maruyama and reverse_diffusion are defined for every SDE.",
      { sde: new OrnsteinUhlenbeck(), predictor: "ancestral_sampling" },
    ],
    [
      "The predictor ancestral_sampling is not defined here: ancestral steps draw noise, and the probability flow has none.",
      { sde: new VPSDE(), predictor: "ancestral_sampling", probabilityFlow: true },
    ],
    [
      "The corrector langevin is not defined here: OrnsteinUhlenbeck does not say how long its steps are: it has no method `langevinAlpha`.",
      { sde: new OrnsteinUhlenbeck(), corrector: "langevin" },
    ],
    [
      "The corrector ald is not defined here: OrnsteinUhlenbeck does not say how long its steps are: it has no method `langevinAlpha`. Add a method langevinAlpha(t) to the SDE that returns 1 for each time: plain Langevin dynamics.",
      { sde: new OrnsteinUhlenbeck(), corrector: "ald" },
    ],
    ["With N = 10 steps the chain of VPSDE has a β of 2", { sde: new VPSDE({ N: 10 }) }],
    [
      "With N = 10 steps the chain of SubVPSDE has a β of 2",
      { sde: new SubVPSDE({ N: 10 }), predictor: "euler_maruyama", corrector: "ald" },
    ],
  ])("%s", async (message, options) => {
    await expect(sample(options)).rejects.toThrow(
      expect.objectContaining({ code: "UNDEFINED", message: expect.stringContaining(message) }),
    )
  })

  test("unknown names", async () => {
    await expect(sample({ sde: new VPSDE(), predictor: "ancestral" })).rejects.toThrow(
      expect.objectContaining({
        code: "UNKNOWN_NAME",
        message: expect.stringMatching(
          /^There is no predictor named "ancestral". There are euler_maruyama, reverse_diffusion, ancestral_sampling, none/,
        ),
      }),
    )
    await expect(sample({ sde: new VPSDE(), corrector: "mala" })).rejects.toThrow(
      'There is no corrector named "mala". There are langevin, ald, none',
    )
  })
})

describe("bad input", () => {
  const sde = new VESDE({ N: 4 })
  const score: ScoreFunction = async x => weightedSum([-1, x])
  const sample = (options: Partial<PcSamplerOptions>) => pcSampler({ sde, score, shape, ...options })

  test.each<[string, Partial<PcSamplerOptions>]>([
    ["snr is 0, but must be greater than 0.", { snr: 0 }],
    ["snr is -0.1, but must be greater than 0.", { snr: -0.1 }],
    ["snr is NaN, but must be greater than 0.", { snr: Number.NaN }],
    ["nStepsEach is 0, but must be a whole number from 1 to 1000000.", { nStepsEach: 0 }],
    ["eps is 0, but must be greater than 0 and less than 1.", { eps: 0 }],
    ["eps is 1, but must be greater than 0 and less than 1.", { eps: 1 }],
    ["There is nothing in the shape [0, 3].", { shape: [0, 3] }],
    ["Neither `shape` nor `latents` were given. Give the shape of the samples", { shape: undefined }],
  ])("%s", async (message, options) => {
    await expect(sample(options)).rejects.toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
    )
  })

  test("NaN from the network says the step and the noise level", async () => {
    let calls = 0
    const failing: ScoreFunction = async x =>
      ++calls === 6 ? formula(j => (j === 60 ? Number.NaN : 0)) : weightedSum([-1e-3, x])
    await expect(sample({ score: failing, corrector: "langevin" })).rejects.toThrow(
      expect.objectContaining({
        code: "NOT_FINITE",
        message: expect.stringContaining(
          "The network returned NaN for sample 1 at step 3 of 4, t = 0.3333, σ = 0.1710.",
        ),
      }),
    )
  })

  test("a score of another shape, or none", async () => {
    await expect(sample({ score: async () => formula(() => 0, [2, 3]) })).rejects.toThrow(
      "The network's output has the shape [2, 3], but its input has [2, 3, 4, 4].",
    )
    await expect(sample({ score: async () => undefined as never })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "The network's output is undefined, but must be a tensor { dtype, shape, data }.",
    })
  })

  registerCorrector("test_silent", { update: async () => undefined as never })

  test.each<[string, string, Partial<PcSamplerOptions>]>([
    [
      "The update that the corrector test_silent returned is undefined, but must be an object { x, mean }.",
      "INVALID_ARGUMENT",
      { corrector: "test_silent" },
    ],
    [
      "The update that the predictor returned is null, but must be an object { x, mean }.",
      "INVALID_ARGUMENT",
      { predictor: { update: async () => null as never } },
    ],
    [
      "The x that the corrector returned is undefined, but must be a tensor { dtype, shape, data }.",
      "INVALID_ARGUMENT",
      { corrector: { update: async mean => ({ mean }) as never } },
    ],
    [
      "The mean that the predictor returned is undefined, but must be a tensor { dtype, shape, data }.",
      "INVALID_ARGUMENT",
      { predictor: { update: async x => ({ x }) as never } },
    ],
    [
      "The x that the predictor returned has the shape [2, 3], but the sample has [2, 3, 4, 4].",
      "SHAPE_MISMATCH",
      { predictor: { update: async mean => ({ x: formula(() => 0, [2, 3]), mean }) } },
    ],
  ])("%s", async (message, code, options) => {
    const refused = { name: "InputError", code, message: expect.stringContaining(message) }
    await expect(sample(options)).rejects.toMatchObject(refused)
  })
})

describe("a run", () => {
  const sde = new VESDE({ N: 4 })
  const score: ScoreFunction = async x => weightedSum([-1e-3, x])

  test("is reported step by step, and can be changed on its way", async () => {
    const states: SamplerState[] = []
    const zero = formula(() => 0)
    await pcSampler({
      sde,
      score,
      shape,
      corrector: "langevin",
      nStepsEach: 2,
      onStepEnd(state) {
        states.push(state)
        return state.step === 2 ? zero : undefined
      },
    })
    expect(states.map(({ step, totalSteps, nfe }) => [step, totalSteps, nfe])).toEqual([
      [1, 4, 3],
      [2, 4, 6],
      [3, 4, 9],
      [4, 4, 12],
    ])
    expect(states.map(({ time }) => time)).toEqual([
      1,
      expect.closeTo(2 / 3, 4),
      expect.closeTo(1 / 3, 4),
      expect.closeTo(1e-5, 8),
    ])
    // Where the score is zero, the corrector stays, and the predictor adds its noise alone.
    const { x, denoised } = states[2]!
    expect(denoised).toEqual(zero)
    expect(meanNorm(x)).toBeGreaterThan(0)
  })

  test("stops when it is aborted", async () => {
    const controller = new AbortController()
    const run = pcSampler({
      sde,
      score,
      shape,
      signal: controller.signal,
      onStepEnd: ({ step }) => {
        if (step === 2) controller.abort("enough")
      },
    })
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "ABORTED", cause: "enough" }))
  })

  test("starts from latents, and draws nothing for them", async () => {
    const [a, b] = [new TorchGenerator(5), new TorchGenerator(5)]
    const latents = sde.priorSampling(shape, a)
    const given = await pcSampler({ sde, score, latents, generator: a })
    const drawn = await pcSampler({ sde, score, shape, generator: b })
    expect(given.x).toEqual(drawn.x)
  })

  test("without Langevin steps gives a sample that does not depend on its batch", async () => {
    const model = scoreFunction(sde, async (x, sigma) =>
      weightedSum([sigma.map(s => -1 / (s ** 2 + 0.1)), x]),
    )
    const whole = await pcSampler({ sde, score: model, shape: [3, 8], generator: new PhiloxGenerator(1) })
    const alone = await pcSampler({
      sde,
      score: model,
      shape: [1, 8],
      generator: new PhiloxGenerator(1, { sample: 2 }),
    })
    expect([...whole.x.data.subarray(16)]).toEqual([...alone.x.data])
  })
})
