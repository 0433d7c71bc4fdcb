import { describe, expect, test } from "vitest"
import { formatModelIndex, parseModelIndex } from "../../src/config/model-index.ts"

const text = JSON.stringify({
  _class_name: "DDPMPipeline",
  _diffusers_version: "0.40.0",
  _name_or_path: "google/ddpm-cifar10-32",
  _module: "somewhere",
  _ignore_files: ["old.bin"],
  _future: { note: "café" },
  scheduler: ["diffusers", "DDPMScheduler"],
  safety_checker: [null, null],
  requires_safety_checker: false,
  size: [32, 32],
  names: ["a", "b", "c"],
})

describe("parseModelIndex", () => {
  test("tells components, absent ones, scalars and metadata apart", () => {
    expect(parseModelIndex(text)).toEqual({
      className: "DDPMPipeline",
      diffusersVersion: "0.40.0",
      components: new Map([
        ["scheduler", { library: "diffusers", className: "DDPMScheduler" }],
        ["safety_checker", null],
      ]),
      scalars: { requires_safety_checker: false, size: [32n, 32n], names: ["a", "b", "c"] },
      ignoreFiles: ["old.bin"],
      metadata: { _future: { note: "café" } },
    })
  })

  test("reads the class of a custom pipeline, and keeps its file's name", () => {
    const index = parseModelIndex(
      '{"_class_name": ["my_pipeline", "MyPipeline"], "unet": ["diffusers", "UNet2DModel"]}',
    )
    expect(index).toMatchObject({ className: "MyPipeline", customModule: "my_pipeline" })
    expect(formatModelIndex(index)).toContain('"_class_name": [\n    "my_pipeline",\n    "MyPipeline"\n  ]')
  })

  test("takes an index without class and version", () => {
    const index = parseModelIndex("{}")
    expect(index).toMatchObject({ className: undefined, diffusersVersion: undefined })
    expect(formatModelIndex(index)).toBe("{}\n")
  })

  test.each([
    ['{"_class_name": 3}', "_class_name is 3, but must be a string"],
    ['{"_class_name": ["a", "b", "c"]}', '_class_name is ["a","b","c"]'],
    ['{"_diffusers_version": 1.5}', "_diffusers_version is 1.5, but must be a string, or null."],
    ['{"_ignore_files": [1]}', "_ignore_files[0] is 1, but must be a list, each a string."],
    ['{"../../etc": ["diffusers", "UNet2DModel"]}', '"../../etc" is not the name of a component.'],
    ['{"a/b": [null, null]}', '"a/b" is not the name of a component.'],
    ['{"": ["diffusers", "UNet2DModel"]}', '"" is not the name of a component.'],
  ])("%s is refused", (source, message) => {
    expect(() => parseModelIndex(source, { file: "repo/model_index.json" })).toThrow(
      expect.objectContaining({
        code: "INVALID_VALUE",
        message: expect.stringContaining(`repo/model_index.json: ${message}`),
      }),
    )
  })

  test("broken files are named", () => {
    expect(() => parseModelIndex("{")).toThrow(/^model_index\.json is not valid JSON/)
  })
})

test("formatModelIndex writes what Diffusers would: sorted, without what only a download needs", () => {
  expect(formatModelIndex(parseModelIndex(text))).toBe(`{
  "_class_name": "DDPMPipeline",
  "_diffusers_version": "0.40.0",
  "_future": {
    "note": "caf\\u00e9"
  },
  "names": [
    "a",
    "b",
    "c"
  ],
  "requires_safety_checker": false,
  "safety_checker": [
    null,
    null
  ],
  "scheduler": [
    "diffusers",
    "DDPMScheduler"
  ],
  "size": [
    32,
    32
  ]
}
`)
})
