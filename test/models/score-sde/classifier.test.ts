import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { gatherStrided } from "../../../src/arrays/strided.ts"
import { ModuleNames } from "../../../src/models/module-names.ts"
import { NoiseConditionalClassifier } from "../../../src/models/wideresnet/classifier.ts"
import { type WideResnetConfig, wideResnetGraph } from "../../../src/models/wideresnet/network.ts"
import { elementCount, type Tensor } from "../../../src/tensor.ts"
import { camelCase, errorsOf, hashInput, type NetworkCase, readCases } from "./case.ts"
import { classifierSafetensors, classifierTensors } from "./classifier-file.ts"
import { flaxBytes, type Tree } from "./flax-writer.ts"

const network = readCases<NetworkCase>("networks").find(({ name }) => name === "wideresnet")!
const [expected] = readCases<
  NetworkCase & { readonly sigma: number[]; readonly y: number[]; readonly logProbs: number[] }
>("classifier")
const config = {
  ...camelCase<WideResnetConfig>(network.model),
  ...camelCase<WideResnetConfig>(network.data),
}
const x: Tensor<"float32"> = { dtype: "float32", shape: [2, 3, 16, 16], data: hashInput(2 * 3 * 16 * 16) }
const sigma = Float32Array.from(expected!.sigma)
const options = { imageSize: 16, device: "cpu", worker: false, threads: 1 } as const

const names = new ModuleNames()
wideResnetGraph(config, names)

/** The same weights in the layout of Flax. */
async function flax(): Promise<Uint8Array> {
  const tree: Record<string, unknown> = {}
  for await (const [name, { shape, data: values }] of classifierTensors(config)) {
    const place = names.flax(name, shape)
    let data = values
    if (place.order) {
      const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)))
      const moved = place.shape.map((_, axis) => strides[place.order!.indexOf(axis)]!)
      data = gatherStrided(data, place.shape, moved)
    }
    const path = place.path.split("/")
    const leaf = path.pop()!
    let parent = tree
    for (const part of path) parent = (parent[part] ??= {}) as Record<string, unknown>
    parent[leaf] = { dtype: "float32", shape: place.shape, data }
  }
  return flaxBytes(tree as Tree)
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-classifier-"))
  await mkdir(join(folder, "flax"))
  await writeFile(join(folder, "classifier.safetensors"), await classifierSafetensors(config))
  await writeFile(join(folder, "parallel.bin"), await classifierSafetensors(config, { prefix: "module." }))
  await writeFile(join(folder, "cut.pth"), await classifierSafetensors(config, { leaveOut: "Dense_1.bias" }))
  await writeFile(join(folder, "flax/checkpoint_2"), "this is no checkpoint")
  await writeFile(join(folder, "flax/checkpoint_10"), await flax())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe("the noise-conditional classifier", () => {
  test.each([
    ["a folder with safetensors", ""],
    ["a file whose names have DataParallel's prefix", "parallel.bin"],
    ["the last checkpoint of a folder of score_sde's", "flax"],
  ])("from %s: log p(y|x) and its gradient as by PyTorch's autograd", async (_, path) => {
    await using classifier = await NoiseConditionalClassifier.fromPretrained(join(folder, path), options)
    expect(classifier.config).toMatchObject({ numClasses: 10, blocksPerGroup: 2, channelMultiplier: 2 })
    expect(classifier.shape).toEqual([3, 16, 16])
    const { shape, data } = await classifier.logProbs(x, sigma)
    expect(shape).toEqual([2, 10])
    expected!.logProbs.forEach((value, i) => {
      expect(Math.abs(data[i]! - value)).toBeLessThan(1e-5)
    })
    const gradient = await classifier.gradient(x, sigma, expected!.y)
    expect(gradient.shape).toEqual(x.shape)
    for (const error of errorsOf(expected!, gradient.data)) expect(error).toBeLessThan(1e-4)
  })

  test("on WebAssembly", async () => {
    const path = join(folder, "classifier.safetensors")
    await using classifier = await NoiseConditionalClassifier.fromPretrained(path, {
      ...options,
      device: "wasm",
    })
    const gradient = await classifier.gradient(x, sigma, expected!.y)
    for (const error of errorsOf(expected!, gradient.data)) expect(error).toBeLessThan(1e-4)
  })

  test("refuses labels, pictures and noise levels that don't fit", async () => {
    const path = join(folder, "classifier.safetensors")
    await using classifier = await NoiseConditionalClassifier.fromPretrained(path, options)
    for (const label of [10, -1, 2.5]) {
      await expect(classifier.gradient(x, sigma, [3, label])).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      })
    }
    await expect(classifier.gradient(x, sigma.slice(1), [3, 7])).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
    })
    const small = { ...x, shape: [2, 3, 8, 32] }
    await expect(classifier.logProbs(small, sigma)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" })
    const stopped = classifier.gradient(x, sigma, [3, 7], { signal: AbortSignal.abort() })
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" })
  })

  test.each([
    [{}, "cut.pth", "TENSOR_MISSING"],
    [{ imageSize: 30 }, "classifier.safetensors", "INVALID_ARGUMENT"],
    [{ pixelMean: [0.5] }, "classifier.safetensors", "INVALID_ARGUMENT"],
    [{ pixelStd: [1, 1, 0] }, "classifier.safetensors", "INVALID_ARGUMENT"],
    [{ file: "other.pth" }, "", "ENTRY_NOT_FOUND"],
    [{}, "missing.pth", "LOCAL_NOT_FOUND"],
    [{}, "flax/checkpoint_2", "FORMAT_UNKNOWN"],
  ])("refuses %o of %s", async (changes, path, code) => {
    const loading = NoiseConditionalClassifier.fromPretrained(join(folder, path), { ...options, ...changes })
    await expect(loading).rejects.toMatchObject({ code })
  })
})
