import { describe, expect, test } from "vitest"
import { componentPath, filesOf, findWeights, type WeightsChoice } from "../../src/hub/component-files.ts"

function listing(...paths: string[]) {
  return { id: "org/model", offline: undefined, files: paths.map(path => ({ path, size: 1 })) }
}

/** What `findWeights` chooses for the unet, as a list of files. */
function chosen(paths: string[], choice: WeightsChoice = {}): string[] {
  return filesOf(findWeights(listing(...paths), "unet", choice))
}

const safetensors = "diffusion_pytorch_model.safetensors"
const bin = "diffusion_pytorch_model.bin"

describe("where a component's files are", () => {
  test("in the folder of its name", () => {
    const repo = listing("model_index.json", "config.json", "unet/config.json")
    expect(componentPath(repo, "unet", "config.json")).toBe("unet/config.json")
  })

  test("at the root where there is no such folder", () => {
    const repo = listing("model_index.json", "config.json", "unet_old/config.json")
    expect(componentPath(repo, "unet", "config.json")).toBe("config.json")
  })

  test("at the root for a model that is no pipeline", () => {
    expect(componentPath(listing("config.json"), "", "config.json")).toBe("config.json")
  })

  test("a component in its own folder doesn't take weights from the root", () => {
    expect(() => chosen(["unet/config.json", bin])).toThrow(
      /no weights for the component "unet" of org\/model/,
    )
  })
})

describe("which weights are chosen", () => {
  test("safetensors before PyTorch files, in both layouts", () => {
    expect(chosen([bin, safetensors])).toEqual([safetensors])
    expect(chosen([`unet/${bin}`, `unet/${safetensors}`])).toEqual([`unet/${safetensors}`])
  })

  test("PyTorch files where there is nothing else", () => {
    expect(findWeights(listing("config.json", bin), "unet")).toEqual({
      format: "torch",
      path: bin,
      shards: undefined,
    })
  })

  test("an index before a single file, with its shards", () => {
    const shards = [1, 2].map(i => `unet/diffusion_pytorch_model-0000${i}-of-00002.safetensors`)
    const index = `unet/${safetensors}.index.json`
    const paths = [...shards, index, `unet/${safetensors}`, `unet/${bin}`]
    expect(findWeights(listing(...paths), "unet")).toEqual({ format: "safetensors", path: index, shards })
  })

  test.each([
    [
      "fp16",
      ["diffusion_pytorch_model.safetensors.index.fp16.json"],
      "diffusion_pytorch_model.fp16-00001-of-00002",
    ],
    [
      "fp16",
      ["diffusion_pytorch_model.safetensors.fp16.index.json"],
      "diffusion_pytorch_model-00001-of-00002.fp16",
    ],
  ])("shards of a variant, by the new and the old names", (variant, indexes, shard) => {
    const other = "diffusion_pytorch_model-00001-of-00002.safetensors"
    expect(chosen([...indexes, `${shard}.safetensors`, other], { variant })).toEqual([
      ...indexes,
      `${shard}.safetensors`,
    ])
  })

  test("the files of a variant, and only of that one", () => {
    const paths = ["fp16", "ema"].flatMap(name => [`unet/diffusion_pytorch_model.${name}.bin`])
    expect(chosen([...paths, `unet/${bin}`], { variant: "ema" })).toEqual([paths[1]])
    expect(chosen([...paths, `unet/${bin}`])).toEqual([`unet/${bin}`])
  })

  test("only safetensors, or only PyTorch files, where that is asked for", () => {
    expect(chosen([bin, safetensors], { useSafetensors: false })).toEqual([bin])
    expect(() => chosen([bin], { useSafetensors: true })).toThrow(
      /only PyTorch files.*Leave out useSafetensors/,
    )
    expect(() => chosen([safetensors], { useSafetensors: false })).toThrow(/no PyTorch weights/)
  })
})

describe("which ONNX graph is chosen", () => {
  test("a graph before weights", () => {
    expect(findWeights(listing("unet/model.onnx", `unet/${safetensors}`), "unet")).toEqual({
      format: "onnx",
      path: "unet/model.onnx",
      dtype: "fp32",
      externalData: [],
    })
    expect(chosen(["unet/model.onnx", `unet/${safetensors}`], { useOnnx: false })).toEqual([
      `unet/${safetensors}`,
    ])
  })

  test("the fp16 twin for fp16, and weights rather than a graph of the other type", () => {
    const paths = ["unet/model.onnx", "unet/model_fp16.onnx"]
    expect(chosen(paths, { dtype: "fp16" })).toEqual(["unet/model_fp16.onnx"])
    expect(chosen(["unet/model.onnx", `unet/${bin}`], { dtype: "fp16" })).toEqual([`unet/${bin}`])
    expect(() => chosen(["unet/model.onnx"], { dtype: "fp16" })).toThrow(/no fp16 ONNX graph.*dtype: "fp32"/)
    expect(() => chosen(["unet/model_fp16.onnx"])).toThrow(/no fp32 ONNX graph.*dtype: "fp16"/)
  })

  test.each([
    [["onnx/unet/model.onnx", "onnx/model.onnx", "model.onnx"], "onnx/unet/model.onnx"],
    [["onnx/model.onnx", "model.onnx"], "onnx/model.onnx"],
    [["model.onnx", bin], "model.onnx"],
    [["unet/model.onnx", "onnx/unet/model.onnx"], "unet/model.onnx"],
    [["unet/config.json", "onnx/unet/model.onnx", `unet/${bin}`], "onnx/unet/model.onnx"],
    // The root's graph may be of another component, so weights in the component's own folder win over it.
    [["unet/config.json", "model.onnx", `unet/${bin}`], `unet/${bin}`],
    [["unet/config.json", "onnx/model.onnx"], "onnx/model.onnx"],
  ])("%j gives %s", (paths, expected) => {
    expect(chosen(paths)).toEqual([expected])
  })

  test.each([
    [["model.onnx_data"], ["model.onnx_data"]],
    [
      ["model.onnx_data", "model.onnx_data_1"],
      ["model.onnx_data", "model.onnx_data_1"],
    ],
    [["model.onnx.data", "weights.pb"], ["model.onnx.data"]],
    [["weights.pb", "model_fp16.onnx_data"], ["weights.pb"]],
  ])("external data %j", (beside, expected) => {
    const paths = beside.map(name => `unet/${name}`)
    expect(chosen(["unet/model.onnx", ...paths])).toEqual([
      "unet/model.onnx",
      ...expected.map(n => `unet/${n}`),
    ])
  })

  test("a variant never takes the graph without one", () => {
    const paths = ["unet/model.onnx", "unet/diffusion_pytorch_model.ema.safetensors"]
    expect(chosen(paths, { variant: "ema" })).toEqual([paths[1]])
    expect(chosen([...paths, "unet/model.ema.onnx"], { variant: "ema" })).toEqual(["unet/model.ema.onnx"])
    expect(
      chosen(["unet/model_fp16.onnx", "unet/diffusion_pytorch_model.fp16.bin"], {
        variant: "fp16",
        dtype: "fp16",
      }),
    ).toEqual(["unet/model_fp16.onnx"])
  })
})

describe("what is said when nothing fits", () => {
  test.each<[string[], WeightsChoice, string, RegExp]>([
    [[bin], { variant: "fp16" }, "VARIANT_NOT_FOUND", /no "fp16" files.*It has no variants/],
    [
      ["diffusion_pytorch_model.ema.bin", bin],
      { variant: "fp16" },
      "VARIANT_NOT_FOUND",
      /It has the variants "ema"/,
    ],
    [
      ["diffusion_pytorch_model.fp16.safetensors"],
      {},
      "WEIGHTS_NOT_FOUND",
      /only the variants "fp16".*variant: "fp16"/,
    ],
    [[safetensors], { useOnnx: true }, "WEIGHTS_NOT_FOUND", /no ONNX graph.*made from the weights/],
    [["diffusion_flax_model.msgpack"], {}, "WEIGHTS_NOT_FOUND", /found diffusion_flax_model\.msgpack/],
    [[], {}, "WEIGHTS_NOT_FOUND", /Looked for model\.onnx, diffusion_pytorch_model\.safetensors/],
  ])("%j with %j: %s", (paths, choice, code, message) => {
    const search = () => findWeights(listing(...paths), "unet", choice)
    expect(search).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })

  test("that only the cache could be searched", () => {
    const repo = { ...listing("config.json"), offline: "HF_HUB_OFFLINE is set." }
    expect(() => findWeights(repo, "unet")).toThrow(/Only the cache was searched\. HF_HUB_OFFLINE is set\./)
  })
})
