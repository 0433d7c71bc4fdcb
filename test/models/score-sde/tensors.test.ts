import { describe, expect, test } from "vitest"
import { isScoreSdeConfigName, scoreSdeConfig } from "../../../src/configs/configs.ts"
import { InputError } from "../../../src/errors.ts"
import { GraphError } from "../../../src/graph/errors.ts"
import { parameterShapes } from "../../../src/models/checkpoint.ts"
import { ModuleNames } from "../../../src/models/module-names.ts"
import { checkpointTensors, scoreNetworkGraph } from "../../../src/models/score-network.ts"
import { cifar10Classifier, wideResnetGraph } from "../../../src/models/wideresnet/network.ts"
import { elementCount } from "../../../src/tensor.ts"
import { hashOf, readCases, tensorsHash } from "./case.ts"

interface TensorsCase {
  readonly name: string
  readonly tensors: number
  readonly parameters: number
  readonly torchHash?: string
  readonly averagedHash?: string
  readonly flaxHash: string
}

const cases = readCases<TensorsCase>("tensors")

describe("names and shapes are those of the original's checkpoints", () => {
  test.each(cases.filter(({ name }) => isScoreSdeConfigName(name)))("$name", expected => {
    const tensors = checkpointTensors(scoreSdeConfig(expected.name as Parameters<typeof scoreSdeConfig>[0]))
    expect(tensors).toHaveLength(expected.tensors)
    expect(tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(expected.parameters)
    expect(tensorsHash(new Map(tensors.map(({ flax }) => [flax.path, flax.shape])))).toBe(expected.flaxHash)
    if (expected.torchHash === undefined) return
    expect(tensorsHash(new Map(tensors.map(({ name, shape }) => [name, shape])))).toBe(expected.torchHash)
    expect(hashOf(tensors.filter(({ trained }) => trained).map(({ name }) => name))).toBe(
      expected.averagedHash,
    )
  })

  test("the classifier", () => {
    const expected = cases.find(({ name }) => name === "classifier_wideresnet")!
    const names = new ModuleNames()
    const shapes = parameterShapes(wideResnetGraph(cifar10Classifier, names))
    const flax = [...shapes].map(([name, shape]) => names.flax(name, shape))
    expect(tensorsHash(new Map(flax.map(({ path, shape }) => [path, shape])))).toBe(expected.flaxHash)
  })

  test("all lists are compared", () => expect(cases).toHaveLength(32))
})

test("a Flax tensor's axes", () => {
  const tensors = checkpointTensors(scoreSdeConfig("ve/cifar10_ncsnpp_continuous"))
  const flax = (name: string) => tensors.find(tensor => tensor.name === name)!.flax
  expect(flax("all_modules.1.weight")).toEqual({ path: "Dense_0/kernel", shape: [256, 512], order: [1, 0] })
  expect(flax("all_modules.3.weight")).toEqual({
    path: "Conv_0/kernel",
    shape: [3, 3, 3, 128],
    order: [3, 2, 0, 1],
  })
  expect(flax("all_modules.4.GroupNorm_0.weight")).toEqual({
    path: "ResnetBlockBigGANpp_0/GroupNorm_0/scale",
    shape: [1, 1, 1, 128],
  })
  expect(flax("all_modules.9.Conv2d_0.weight")).toEqual({
    path: "Downsample_0/Conv2d_0/weight",
    shape: [3, 3, 3, 128],
    order: [3, 2, 0, 1],
  })
  expect(flax("all_modules.11.NIN_2.W")).toEqual({ path: "AttnBlockpp_0/NIN_2/W", shape: [256, 256] })
})

test("the networks that were never published have the names of the authors' earlier code", () => {
  const config = scoreSdeConfig("ve/ncsn/cifar10", { model: { convention: "pytorch", nf: 8 } })
  const tensors = new Map(checkpointTensors(config).map(tensor => [tensor.name, tensor]))
  expect(tensors.get("res2.0.conv2.conv.weight")?.flax.path).toBe(
    "ConditionalResidualBlock_2/ConvMeanPool_0/Conv_0/kernel",
  )
  expect(tensors.get("refine1.adapt_convs.0.1_2_norm.embed.weight")).toMatchObject({
    shape: [10, 48],
    flax: { path: "CondRefineBlock_0/CondRCUBlock_0/ConditionalInstanceNorm2dPlus_1/Embed_0/embedding" },
  })
  expect(tensors.get("refine3.msf.convs.1.weight")?.shape).toEqual([8, 16, 3, 3])
})

describe("what a network can't be built from", () => {
  const config = scoreSdeConfig("ve/cifar10_ncsnpp_continuous")

  test.each([
    [[36, 32], 8],
    [[4, 8], 8],
    [[32.5, 32], 8],
  ] as const)("a picture of %s", (size, factor) => {
    expect(() => scoreNetworkGraph(config, { size })).toThrow(InputError)
    expect(() => scoreNetworkGraph(config, { size })).toThrow(`multiples of ${factor}`)
  })

  test("a picture that NCSNv2 can't halve", () => {
    const ncsnv2 = scoreSdeConfig("ve/ncsnv2/bedroom", { model: { nf: 8 } })
    expect(() => scoreNetworkGraph(ncsnv2, { size: [30, 32] })).toThrow("both sides must be multiples of 4")
  })

  test("a width that can't be cut into groups", () => {
    const narrow = scoreSdeConfig("vp/ddpm/cifar10", { model: { nf: 16 } })
    expect(() => scoreNetworkGraph(narrow)).toThrow(GraphError)
    expect(() => scoreNetworkGraph(narrow)).toThrow(/16 channels can't be cut into 32 equal groups/)
  })

  test("a parameter of no module", () => {
    expect(() => new ModuleNames().flax("head.weight", [1])).toThrow(
      /No module has the parameter head\.weight/,
    )
  })
})
