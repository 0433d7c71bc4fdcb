import { describe, expect, it } from "vitest"
import { DDIMPipeline } from "../../src/pipelines/ddim.ts"
import { DDPMPipeline } from "../../src/pipelines/ddpm.ts"
import type { SamplingOptions } from "../../src/pipelines/options.ts"
import type { SamplerName } from "../../src/pipelines/sampler-settings.ts"
import { ScoreSdeVpPipeline } from "../../src/pipelines/score-sde-vp.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { DDIMScheduler } from "../../src/schedulers/ddim.ts"
import { DDPMScheduler } from "../../src/schedulers/ddpm.ts"
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.ts"
import type { Tensor } from "../../src/tensor.ts"
import { gaussian, sharedGaussianPipeline } from "./gaussian-model.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"

const pipe = await sharedGaussianPipeline()

const batchSize = 128
const noise = new PhiloxGenerator(1).randn([batchSize, 1, 4, 4])

/** The samples themselves, before they are clamped into pictures. */
async function samples(options: SamplingOptions): Promise<{ x: Tensor<"float32">; nfe: number }> {
  let x: Tensor<"float32"> | undefined
  const { nfe, images } = await pipe({
    batchSize,
    seed: 0,
    outputType: "pt",
    ...options,
    callbackOnStepEnd: (_pipe, _step, _time, { latents, denoised }) => {
      x = options.sampler === "pc" || options.sampler === undefined ? denoised : latents
    },
  } as SamplingOptions<"pt">)
  return { x: x ?? (images as unknown as Tensor<"float32">), nfe }
}

/** Where the probability flow leads from σmax·z. */
function flowEnd(): number[] {
  const { mean, std, sigmaMax } = gaussian
  return [...noise.data].map(z => mean + ((sigmaMax * z - mean) * std) / Math.hypot(std, sigmaMax))
}

describe("each sampler on a Gaussian whose score is exact", () => {
  it.each<[SamplerName, object, number]>([
    ["ode", { rtol: 1e-6, atol: 1e-6 }, 2e-3],
    ["heun", { numInferenceSteps: 60 }, 5e-3],
    ["heun", { numInferenceSteps: 120, schedule: "ve" }, 2e-2],
    ["heun", { numInferenceSteps: 60, schedule: "vp" }, 2e-2],
    ["stochastic_heun", { numInferenceSteps: 60 }, 5e-3],
    ["dpmpp_2m", { numInferenceSteps: 60 }, 5e-3],
    ["ddim", { numInferenceSteps: 200 }, 2e-2],
  ])("%s %o follows the probability flow", async (sampler, settings, tolerance) => {
    const { x } = await samples({ sampler, latents: noise, ...settings })
    // The solver stops at σmin and the pictures are clamped: the others show more.
    const wanted = flowEnd().map(value => (sampler === "ode" ? Math.min(Math.max(value, 0), 1) : value))
    expect(Math.max(...x.data.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(tolerance)
  })

  it.each<[SamplerName | undefined, object]>([
    [undefined, { numInferenceSteps: 100 }],
    ["pc", { numInferenceSteps: 100 }],
    ["pc", { numInferenceSteps: 200, predictor: "euler_maruyama", corrector: null }],
    [
      "pc",
      { numInferenceSteps: 200, predictor: "ancestral_sampling", corrector: "ald", snr: 0.1, nStepsEach: 2 },
    ],
    ["pc", { numInferenceSteps: 400, probabilityFlow: true, corrector: "none" }],
    ["stochastic_heun", { numInferenceSteps: 40, sChurn: 20 }],
    ["dpmpp_2m_sde", { numInferenceSteps: 60 }],
    ["ddim", { numInferenceSteps: 100, eta: 1 }],
  ])("%s %o samples the distribution", async (sampler, settings) => {
    const { x } = await samples({ sampler, ...settings })
    const count = x.data.length
    const mean = x.data.reduce((sum, value) => sum + value, 0) / count
    const std = Math.sqrt(x.data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count)
    expect(Math.abs(mean - gaussian.mean)).toBeLessThan(0.03)
    expect(Math.abs(std / gaussian.std - 1)).toBeLessThan(0.08)
  })
})

describe("the call", () => {
  it("counts evaluations, and has the pipeline's own predictor, corrector and snr unless it says otherwise", async () => {
    const own = await samples({ numInferenceSteps: 10 })
    const pc = await samples({ sampler: "pc", numInferenceSteps: 10 })
    expect(pc.nfe).toBe(20)
    expect(Math.max(...pc.x.data.map((value, i) => Math.abs(value - own.x.data[i]!)))).toBeLessThan(1e-4)
    expect((await samples({ corrector: "none", numInferenceSteps: 10 })).nfe).toBe(10)
    expect((await samples({ sampler: "heun" })).nfe).toBe(35)
    expect((await samples({ sampler: "dpmpp_2m" })).nfe).toBe(20)
  })

  it("reports progress and takes what the callback returns", async () => {
    const steps: number[] = []
    const zeros = { ...noise, data: new Float32Array(noise.data.length) }
    for (const sampler of ["heun", "pc"] as const) {
      const { images } = await pipe({
        sampler,
        batchSize,
        numInferenceSteps: 3,
        outputType: "pt",
        onProgress: ({ step, totalSteps }) => void steps.push(step / totalSteps),
        callbackOnStepEnd: () => ({ latents: zeros, denoised: zeros }),
      })
      expect(images.data.every(value => value === 0)).toBe(true)
    }
    await pipe({ sampler: "ode", onProgress: ({ step, totalSteps }) => void steps.push(step / totalSteps) })
    expect(steps.slice(0, 6)).toEqual([1 / 3, 2 / 3, 1, 1 / 3, 2 / 3, 1])
    expect(steps.at(-1)).toBeGreaterThan(0.5)
  })

  it("stops between evaluations", async () => {
    const controller = new AbortController()
    const running = pipe({
      sampler: "ode",
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    await expect(running).rejects.toMatchObject({ code: "ABORTED" })
  })

  it.each<[string, object, string]>([
    ["an unknown sampler", { sampler: "euler" }, 'There is no sampler "euler".'],
    ["a setting of another sampler", { sampler: "heun", snr: 0.1 }, "The sampler heun has no snr."],
    ["a setting without its sampler", { rtol: 1e-3 }, "rtol is a setting of another sampler"],
    [
      "rho without EDM's schedule",
      { sampler: "heun", schedule: "ve", rho: 7 },
      "The schedule ve has no rho.",
    ],
    ["an unknown schedule", { sampler: "heun", schedule: "cosine" }, 'There is no schedule "cosine".'],
    ["snr 0", { sampler: "pc", snr: 0, numInferenceSteps: 5 }, "snr is 0"],
    ["one step", { sampler: "pc", numInferenceSteps: 1 }, "numInferenceSteps is 1"],
    ["a noise level beyond the model's", { sampler: "ddim", sigmaMax: 100 }, "The noise level 100"],
    ["σmin above σmax", { sampler: "ddim", sigmaMin: 3, sigmaMax: 2 }, "0 < sigmaMin < sigmaMax"],
    ["an unknown predictor", { predictor: "magic", numInferenceSteps: 5 }, 'no predictor named "magic"'],
    [
      "ancestral steps of the probability flow",
      { predictor: "ancestral_sampling", probabilityFlow: true, numInferenceSteps: 5 },
      "ancestral steps draw noise",
    ],
  ])("refuses %s", async (_, options, message) => {
    await expect(pipe(options as SamplingOptions)).rejects.toMatchObject({
      name: expect.stringMatching(/^(?:InputError|SdeError)$/),
      message: expect.stringContaining(message),
    })
  })

  it("says at which step and noise level the network failed", async () => {
    const big = { ...noise, data: noise.data.map(() => 3e38) }
    const failing = pipe({ sampler: "heun", batchSize, latents: big })
    await expect(failing).rejects.toMatchObject({
      code: "NOT_FINITE",
      message: expect.stringContaining("step 1 of 18, σ = 50"),
    })
  })
})

describe("the score of the other pipelines", () => {
  it("is that of the noise which the network predicts, at the step with as much noise", async () => {
    await using tiny = await temporaryFolder()
    await writeModel(tiny.path, { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
    await using ddpm = await DDPMPipeline.fromPretrained(tiny.path, { worker: false, threads: 1 })
    const x = new PhiloxGenerator(2).randn([1, 3, 8, 8])
    const [t, step] = [0.5, 499]
    const { sde, score, divergence } = ddpm.scoreModel()
    const found = await score(x, Float32Array.of(t))
    const std = Math.sqrt(1 - ddpm.scheduler.alphasCumprod[step]!)
    const output = await ddpm.unet.forward(x, step)
    const difference = Math.max(...found.data.map((s, i) => Math.abs(s + output.data[i]! / std)))
    expect(difference).toBeLessThan(0.02)
    expect(Math.abs(sde.noiseLevel(t).sigma / (std / Math.sqrt(1 - std ** 2)) - 1)).toBeLessThan(0.01)

    const probe = { ...x, data: x.data.map(Math.sign) }
    const along = await divergence(x, Float32Array.of(t), probe)
    const shifted = (h: number) =>
      score({ ...x, data: x.data.map((v, i) => v + h * probe.data[i]!) }, Float32Array.of(t))
    const [ahead, behind] = [await shifted(0.02), await shifted(-0.02)]
    const slope = probe.data.reduce((sum, p, i) => sum + (p * (ahead.data[i]! - behind.data[i]!)) / 0.04, 0)
    expect(Math.abs(along.divergence[0]! - slope)).toBeLessThan(2e-2 * Math.max(1, Math.abs(slope)))

    const vp = new ScoreSdeVpPipeline({ unet: ddpm.unet, scheduler: new ScoreSdeVpScheduler() })
    expect(vp.scoreModel().sde).toMatchObject({ name: "VPSDE", betaMin: 0.1, betaMax: 20, N: 2000 })
    const { nfe } = await vp({ sampler: "dpmpp_2m", numInferenceSteps: 3 })
    expect(nfe).toBe(3)
  })

  it.each(["sample", "v_prediction"])("follows from a prediction of %s", async predictionType => {
    await using tiny = await temporaryFolder()
    await writeModel(tiny.path, {
      className: "DDIMPipeline",
      schedulerClass: "DDIMScheduler",
      scheduler: { prediction_type: predictionType, clip_sample: false },
    })
    await using ddim = await DDIMPipeline.fromPretrained(tiny.path, { worker: false, threads: 1 })
    const x = new PhiloxGenerator(2).randn([1, 3, 8, 8])
    const { sde, score } = ddim.scoreModel()
    const t = Float32Array.of(0.5)
    const { mean, std } = sde.marginalProb(x, t)
    const signal = mean.data[0]! / x.data[0]!
    // Tweedie: the clean picture that the score stands for is the one that the scheduler finds.
    const s = await score(x, t)
    const clean = x.data.map((value, i) => (value + std[0]! ** 2 * s.data[i]!) / signal)
    const output = await ddim.unet.forward(x, 499)
    const scheduler = new DDIMScheduler(ddim.scheduler.config)
    scheduler.setTimesteps(1000)
    const { predOriginalSample } = scheduler.step(output, 499, x)
    const scale = Math.max(...predOriginalSample.data.map(Math.abs))
    expect(
      Math.max(...clean.map((value, i) => Math.abs(value - predOriginalSample.data[i]!))) / scale,
    ).toBeLessThan(0.02)
  })

  it.each([
    [{ betaSchedule: "scaled_linear" }, 'its beta_schedule is "scaled_linear"'],
    [{ trainedBetas: Array(1000).fill(0.01) }, "its βs are given one by one"],
  ] as const)("is none where the chain is another", async (config, reason) => {
    const other = new DDPMPipeline({ unet: pipe.unet, scheduler: new DDPMScheduler(config) })
    expect(() => other.scoreModel()).toThrow(reason)
    await expect(other({ sampler: "heun" })).rejects.toMatchObject({ code: "NO_SDE" })
  })
})
