import { describe, expect, expectTypeOf, test } from "vitest"
import {
  configInfo,
  createConfig,
  defineConfig,
  formatConfig,
  key,
  readConfig,
} from "../../src/config/config.ts"
import { parseJsonObject } from "../../src/config/json.ts"
import { bool, either, float, int, list, nullable, oneOf, pair } from "../../src/config/kinds.ts"

interface ModelConfig {
  readonly sampleSize: number | readonly [number, number] | null
  readonly channels: readonly number[]
  readonly scaleFactor: number
  readonly normEps: number
  readonly center: boolean
  readonly kind: "fourier" | "positional"
}

const model = defineConfig<ModelConfig>({
  className: "Model",
  fileName: "config.json",
  keys: {
    sampleSize: key(nullable(either(int({ min: 1 }), pair(int({ min: 1 })))), null),
    channels: key(list(int({ min: 1 }), { minLength: 1, maxLength: 4 }), [32, 64]),
    scaleFactor: key(float(), 1n),
    normEps: key(float({ above: 0 }), 1e-5),
    center: key(bool(), false),
    kind: key(oneOf(["fourier", "positional"]), "positional"),
  },
  conflict: ({ channels, center }) =>
    center && channels.length > 3
      ? { key: "channels", allowed: "a list of at most 3 with center" }
      : undefined,
})

interface OtherConfig {
  readonly normEps: number
  readonly steps: number
}

const other = defineConfig<OtherConfig>({
  className: "Other",
  fileName: "config.json",
  keys: { normEps: key(float({ above: 0 }), 1e-3), steps: key(int({ min: 1, max: 10 }), 5) },
  compatibleKeys: ["scale_factor", "solver_order"],
})

const silent = { onWarning: (message: string) => expect.unreachable(message) }

describe("createConfig", () => {
  test("fills in defaults, and remembers which", () => {
    const config = createConfig(model, { normEps: 1e-6 })
    expectTypeOf(config).toEqualTypeOf<Readonly<ModelConfig>>()
    expect(config).toEqual({
      sampleSize: null,
      channels: [32, 64],
      scaleFactor: 1,
      normEps: 1e-6,
      center: false,
      kind: "positional",
    })
    expect(configInfo(config)).toEqual({
      className: "Model",
      diffusersVersion: undefined,
      usedDefaults: ["sampleSize", "channels", "scaleFactor", "center", "kind"],
      foreign: {},
    })
  })

  test("the result is frozen, lists included, and detached from what was given", () => {
    const channels = [1, 2]
    const config = createConfig(model, { channels })
    channels.push(3)
    expect(config.channels).toEqual([1, 2])
    expect(() => Object.assign(config, { center: true })).toThrow(TypeError)
    expect(() => (config.channels as number[]).push(3)).toThrow(TypeError)
    expect(() => (createConfig(model).channels as number[]).push(3)).toThrow(TypeError)
  })

  test("a configuration of the class passes through", () => {
    const config = createConfig(model, { center: true })
    expect(createConfig(model, config)).toBe(config)
  })

  test("an option that the class does not have is an error", () => {
    expect(() => createConfig(other, { norm_eps: 3 } as object)).toThrow(
      'Other has no option "norm_eps". Its options are normEps, steps.',
    )
  })

  test("undefined is absent", () => {
    expect(createConfig(model, { kind: undefined } as object).kind).toBe("positional")
  })
})

describe("formatConfig", () => {
  test("writes numbers as Python would: by the key's kind, or as the default is written", () => {
    const config = createConfig(model, { sampleSize: [32, 48], normEps: 2 })
    expect(formatConfig(config, { diffusersVersion: "0.1.0" })).toBe(`{
  "_class_name": "Model",
  "_diffusers_version": "0.1.0",
  "center": false,
  "channels": [
    32,
    64
  ],
  "kind": "positional",
  "norm_eps": 2.0,
  "sample_size": [
    32,
    48
  ],
  "scale_factor": 1
}
`)
  })

  test("what was not made here is refused", () => {
    expect(() => formatConfig({ ...createConfig(model) })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    )
  })
})

describe("readConfig", () => {
  test("a file's numbers stay what they were", () => {
    const text = (eps: string): string => `{"norm_eps": ${eps}}`
    for (const [eps, value, written] of [
      ["1348", 1348, "1348"],
      ["1348.0", 1348, "1348.0"],
      ["1e-5", 1e-5, "1e-05"],
      ["0.00010", 1e-4, "0.0001"],
    ] as const) {
      const config = readConfig(model, parseJsonObject(text(eps)), {}, silent)
      expect(config.normEps).toBe(value)
      expect(formatConfig(config)).toContain(`"norm_eps": ${written},`)
    }
  })

  test("drops private keys from the values but keeps them for a save, except _ignore_files", () => {
    const json = parseJsonObject(
      '{"_class_name": "OldModel", "_diffusers_version": "0.0.4", "_name_or_path": "a/b", "_ignore_files": ["c"], "center": true}',
    )
    const config = readConfig(model, json, {}, silent)
    expect(Object.keys(config)).toEqual([
      "sampleSize",
      "channels",
      "scaleFactor",
      "normEps",
      "center",
      "kind",
    ])
    expect(configInfo(config)).toMatchObject({ className: "Model", diffusersVersion: "0.0.4" })
    const saved = parseJsonObject(formatConfig(config))
    expect(saved).toMatchObject({ _class_name: "Model", _name_or_path: "a/b", _diffusers_version: "0.40.0" })
    expect(saved).not.toHaveProperty("_ignore_files")
  })

  test("unknown keys give one warning that lists them, and are kept", () => {
    const warnings: string[] = []
    const json = parseJsonObject(
      '{"foo": 1, "bar": [1.5], "solver_order": 2, "_private": 1, "quantization_config": {}}',
    )
    const config = readConfig(
      other,
      json,
      {},
      { file: "a/config.json", onWarning: text => warnings.push(text) },
    )
    expect(warnings).toEqual(["a/config.json has keys that Other does not know and ignores: foo, bar."])
    expect(parseJsonObject(formatConfig(config))).toMatchObject({ foo: 1n, bar: [1.5], solver_order: 2n })
  })

  test("a change of class carries what was given, not defaults, and loses nothing on the way back", () => {
    const first = readConfig(
      model,
      parseJsonObject('{"scale_factor": 3, "extra": 1.0}'),
      {},
      { onWarning: () => {} },
    )
    const second = readConfig(other, first, { steps: 7 }, silent)
    expect(second).toEqual({ normEps: 1e-3, steps: 7 })
    expect(configInfo(second)).toMatchObject({ className: "Other", foreign: { scale_factor: 3n, extra: 1 } })
    const back = readConfig(model, second, {}, silent)
    expect(back).toEqual(first)
    expect(formatConfig(back)).toContain('"scale_factor": 3,')
    expect(formatConfig(back)).toContain('"extra": 1.0,')
    expect(configInfo(back).foreign).toEqual({ extra: 1, steps: 7n })
  })

  test("_use_default_values lists keys that count as absent", () => {
    const json = parseJsonObject('{"norm_eps": 0.5, "center": true, "_use_default_values": ["norm_eps"]}')
    const config = readConfig(model, json, {}, silent)
    expect(config).toMatchObject({ normEps: 1e-5, center: true })
    expect(formatConfig(config)).not.toContain("_use_default_values")
  })

  test("overrides go before the file; a plain copy may have camelCase keys", () => {
    const json = parseJsonObject('{"norm_eps": 0.5}')
    expect(readConfig(model, json, { normEps: 0.25 }, silent).normEps).toBe(0.25)
    const copy = { ...createConfig(model, { normEps: 0.5 }), center: true }
    expect(readConfig(model, copy, {}, silent)).toEqual(copy)
  })
})

describe("errors name the file, the key, what was found and what is allowed", () => {
  test.each([
    ['{"norm_eps": "x"}', 'norm_eps is "x", but must be a number greater than 0.'],
    ['{"norm_eps": 0}', "norm_eps is 0, but must be a number greater than 0."],
    ['{"norm_eps": 1e999}', "norm_eps is Infinity, but must be a number greater than 0."],
    ['{"norm_eps": null}', "norm_eps is null, but must be a number greater than 0."],
    ['{"norm_eps": true}', "norm_eps is true, but must be a number greater than 0."],
    ['{"center": 1}', "center is 1, but must be true or false."],
    ['{"kind": "learned"}', 'kind is "learned", but must be one of "fourier", "positional".'],
    ['{"channels": 3}', "channels is 3, but must be a list of 1 to 4 items, each a whole number from 1."],
    ['{"channels": []}', "channels is [], but must be a list of 1 to 4 items, each a whole number from 1."],
    [
      '{"channels": [1, 2, 3, 4, 5]}',
      "channels is [1,2,3,4,5], but must be a list of 1 to 4 items, each a whole number from 1.",
    ],
    [
      '{"channels": [1, 2.5]}',
      "channels[1] is 2.5, but must be a list of 1 to 4 items, each a whole number from 1.",
    ],
    [
      '{"channels": [1, 10000000000000000000000]}',
      "channels[1] is 10000000000000000000000, but must be a list of 1 to 4 items, each a whole number from 1.",
    ],
    [
      '{"sample_size": [1]}',
      "sample_size is [1], but must be a whole number from 1, or a list of two, each a whole number from 1, or null.",
    ],
    [
      '{"center": true, "channels": [1, 1, 1, 1]}',
      "channels is [1,1,1,1], but must be a list of at most 3 with center.",
    ],
    ['{"_class_name": 4}', "_class_name is 4, but must be the name of a class."],
  ])("%s", (text, message) => {
    expect(() => readConfig(model, parseJsonObject(text), {}, { file: "unet/config.json" })).toThrow(
      expect.objectContaining({ code: "INVALID_VALUE", message: `unet/config.json: ${message}` }),
    )
  })

  test("values given in code are named by class and option", () => {
    expect(() => createConfig(other, { steps: 11 })).toThrow(
      "Other: steps is 11, but must be a whole number from 1 up to 10.",
    )
    expect(() => createConfig(other, { steps: Number.NaN })).toThrow(/^Other: steps is/)
  })

  test("an override that the class does not have is an error", () => {
    expect(() => readConfig(other, {}, { stesp: 3 } as object)).toThrow(
      'Other has no option "stesp". Its options are normEps, steps.',
    )
  })
})
