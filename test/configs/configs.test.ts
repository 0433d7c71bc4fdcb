import { describe, expect, expectTypeOf, test } from "vitest"
import { ConfigError } from "../../src/config/errors.ts"
import { parseJsonObject } from "../../src/config/json.ts"
import {
  formatScoreSdeConfig,
  isScoreSdeConfigName,
  readScoreSdeConfig,
  scoreSdeConfig,
  scoreSdeConfigNames,
} from "../../src/configs/configs.ts"
import { publishedResults } from "../../src/configs/published-results.ts"
import type { ScoreSdeConfig } from "../../src/configs/score-sde-config.ts"
import type { ScoreNetworkConfig } from "../../src/models/score-network.ts"

describe("configurations by name", () => {
  test("a VE configuration", () => {
    const { training, sampling, model, data, seed } = scoreSdeConfig("ve/cifar10_ncsnpp_continuous")
    expect(training).toMatchObject({ sde: "vesde", continuous: true, batchSize: 128, nIters: 1300001 })
    expect(sampling).toMatchObject({ predictor: "reverse_diffusion", corrector: "langevin", snr: 0.16 })
    expect(model).toMatchObject({ name: "ncsnpp", sigmaMax: 50, embeddingType: "fourier", emaRate: 0.999 })
    expect(data).toMatchObject({ imageSize: 32, centered: false, category: null })
    expect(seed).toBe(42)
  })

  test("a configuration can't be changed by accident", () => {
    const config = scoreSdeConfig("vp/ddpm/cifar10")
    for (const part of [
      config,
      config.model,
      config.training,
      "chMult" in config.model && config.model.chMult,
    ]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  test("options can be replaced", () => {
    const config = scoreSdeConfig("ve/cifar10_ncsnpp_continuous", {
      data: { imageSize: 64 },
      model: { nf: 64, numResBlocks: 2 },
      seed: 7,
    })
    expect(config.data).toMatchObject({ imageSize: 64, dataset: "CIFAR10" })
    expect(config.model).toMatchObject({ nf: 64, numResBlocks: 2, fir: true })
    expect(config.seed).toBe(7)
  })

  test("another network takes over only what it has", () => {
    const { model } = scoreSdeConfig("vp/cifar10_ddpmpp", { model: { name: "ddpm" } })
    expect(model).toMatchObject({ name: "ddpm", numResBlocks: 4 })
    expect(model).not.toHaveProperty("fir")
  })

  test("a name that there isn't", () => {
    expect(isScoreSdeConfigName("ve/cifar10")).toBe(false)
    expect(isScoreSdeConfigName("toString")).toBe(false)
    expect(() => scoreSdeConfig("ve/cifar10" as "ve/cifar10_ncsnpp")).toThrow(
      /there is no configuration "ve\/cifar10".*ve\/cifar10_ncsnpp/,
    )
  })

  test("results are of configurations that there are", () => {
    for (const [name, { fid, bitsPerDim }] of Object.entries(publishedResults)) {
      expect(isScoreSdeConfigName(name)).toBe(true)
      expect(fid ?? 2.2).toBeGreaterThanOrEqual(2.2)
      expect(bitsPerDim ?? 2.99).toBeGreaterThanOrEqual(2.99)
    }
  })

  test("types", () => {
    expectTypeOf<ScoreSdeConfig>().toExtend<ScoreNetworkConfig>()
    expectTypeOf(scoreSdeConfig).parameter(0).extract<"vp/ddpm/church">().not.toBeNever()
  })
})

describe("a user's own file", () => {
  const read = (json: unknown): ScoreSdeConfig =>
    readScoreSdeConfig(parseJsonObject(JSON.stringify(json)), { file: "birds.json" })

  test.each(scoreSdeConfigNames)("%s is the same after a file of it was read", name => {
    const config = scoreSdeConfig(name)
    const text = formatScoreSdeConfig(config)
    expect(readScoreSdeConfig(parseJsonObject(text))).toEqual(config)
  })

  test("integers are written as such", () => {
    const text = formatScoreSdeConfig(scoreSdeConfig("ve/ncsnv2/cifar10"))
    expect(text).toContain('"num_scales": 232,')
    expect(text).toContain('"sigma_min": 0.01')
    expect(text).toContain('"category": null')
  })

  test("builds on a configuration", () => {
    const config = read({
      base: "ve/cifar10_ncsnpp_continuous",
      data: { dataset: "birds", image_size: 64 },
      model: { sigma_max: 40 },
    })
    expect(config.data).toMatchObject({ dataset: "birds", imageSize: 64 })
    expect(config.model.sigmaMax).toBe(40)
    expect(config.training).toEqual(scoreSdeConfig("ve/cifar10_ncsnpp_continuous").training)
  })

  test("builds on the defaults", () => {
    const config = read({
      base: "default_cifar10_configs",
      training: { sde: "vesde", continuous: false },
      sampling: { predictor: "my_predictor", corrector: "none" },
      model: {
        name: "ncsn",
        normalization: "InstanceNorm++",
        nonlinearity: "elu",
        nf: 16,
        scale_by_sigma: true,
        interpolation: "bilinear",
        convention: "pytorch",
        ema_rate: 0,
      },
    })
    expect(config.sampling.predictor).toBe("my_predictor")
    expect(config.model).toMatchObject({ name: "ncsn", numScales: 1000 })
  })

  test("options that score_sde has and never reads are taken without a word", () => {
    const config = read({
      base: "ve/cifar10_ncsnpp_continuous",
      training: { n_jitted_steps: 5 },
      model: { attention_type: "ddpm", conv_size: 3, fir_kernel: [1, 3, 3, 1], sigma_begin: 50 },
      optim: { amsgrad: false },
    })
    expect(config).toEqual(scoreSdeConfig("ve/cifar10_ncsnpp_continuous"))
  })

  const base = "ve/cifar10_ncsnpp_continuous"
  test.each<readonly [what: string, json: unknown, message: RegExp]>([
    ["an unknown base", { base: "cifar" }, /birds\.json: base: there is no configuration "cifar"/],
    ["a base that is no name", { base: 3 }, /there is no configuration 3/],
    ["an unknown section", { base, modle: {} }, /unknown section "modle".*training, .*seed/],
    ["a section that is none", { base, model: [] }, /birds\.json: model is \[\], but must be an object/],
    [
      "an unknown option",
      { base, model: { num_blocks: 3 } },
      /unknown option model\.num_blocks.*num_res_blocks/,
    ],
    ["a prototype as section", JSON.parse('{"__proto__": {}}'), /unknown section "__proto__"/],
    [
      "no SDE",
      { base: "default_celeba_configs", model: { name: "ddpm" } },
      /training\.sde is missing.*"vesde"/,
    ],
    ["no network", { base: "default_celeba_configs" }, /model\.name is missing/],
    ["nothing at all", {}, /model\.name is missing/],
    [
      "an unknown network",
      { base, model: { name: "unet" } },
      /model\.name is "unet", but must be one of "ncsnpp"/,
    ],
    ["text for a number", { base, model: { nf: "128" } }, /model\.nf is "128", but must be a whole number/],
    ["a fraction of a block", { base, model: { num_res_blocks: 1.5 } }, /model\.num_res_blocks is 1\.5/],
    ["no multiples", { base, model: { ch_mult: [] } }, /model\.ch_mult is/],
    ["a multiple of 0", { base, model: { ch_mult: [1, 0] } }, /model\.ch_mult\[1\] is 0/],
    [
      "another filter",
      { base, model: { fir_kernel: [1, 2, 1] } },
      /model\.fir_kernel is \[1,2,1\], but must be \[1, 3, 3, 1\]/,
    ],
    ["another norm", { base, model: { normalization: "InstanceNorm" } }, /must be one of "GroupNorm"/],
    [
      "an snr of 0",
      { base, sampling: { snr: 0 } },
      /sampling\.snr is 0, but must be a number greater than 0/,
    ],
    ["one noise level", { base, model: { num_scales: 1 } }, /model\.num_scales is 1/],
    [
      "noise levels the wrong way round",
      { base, model: { sigma_max: 0.01 } },
      /model\.sigma_min is 0\.01, but must be less/,
    ],
    [
      "betas the wrong way round",
      { base, model: { beta_min: 30 } },
      /model\.beta_min is 30, but must be less/,
    ],
    [
      "Fourier features of numbered levels",
      { base, training: { continuous: false } },
      /model\.embedding_type is "fourier"/,
    ],
    [
      "a numbered level where there is none",
      { base: "ve/ncsnv2/cifar10", training: { continuous: true } },
      /training\.continuous is true, but the network is told the number of a noise level/,
    ],
    [
      "a discrete sub-VP SDE",
      { base: "vp/cifar10_ddpmpp", training: { sde: "subvpsde" } },
      /training\.continuous is false, but must be true for the SDE "subvpsde"/,
    ],
    [
      "a weighted loss of numbered levels",
      { base: "vp/ddpm/cifar10", training: { likelihood_weighting: true } },
      /training\.likelihood_weighting is true/,
    ],
    [
      "a size that can't be halved",
      { base, data: { image_size: 36 } },
      /data\.image_size is 36.*multiple of 8/,
    ],
    [
      "another optimizer",
      { base, optim: { optimizer: "SGD" } },
      /optim\.optimizer is "SGD", but must be one of "Adam"/,
    ],
  ])("is refused with %s", (_, json, message) => {
    const attempt = (): ScoreSdeConfig => read(json)
    expect(attempt).toThrow(ConfigError)
    expect(attempt).toThrow(message)
  })
})
