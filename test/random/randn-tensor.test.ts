import { describe, expect, it } from "vitest"
import { GeneratorList } from "../../src/random/generator-list.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { createGenerator, randnTensor, resolveGenerator } from "../../src/random/randn-tensor.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import type { Tensor } from "../../src/tensor.ts"

const torch = (...seeds: number[]) => seeds.map(seed => new TorchGenerator(seed))
const concatenate = (...tensors: Tensor<"float32">[]) => tensors.flatMap(({ data }) => [...data])

describe("randnTensor", () => {
  it("draws from one generator in one go", () => {
    expect(randnTensor([2, 3, 4], new TorchGenerator(1))).toEqual(new TorchGenerator(1).randn([2, 3, 4]))
  })

  it("draws each sample from its own generator in a list, with shape (1, …)", () => {
    const { shape, data } = randnTensor([2, 3, 4], torch(1, 2))
    expect(shape).toEqual([2, 3, 4])
    expect([...data]).toEqual(
      concatenate(new TorchGenerator(1).randn([1, 3, 4]), new TorchGenerator(2).randn([1, 3, 4])),
    )
  })

  it("takes a list of one as that one", () => {
    expect(randnTensor([2, 8], torch(1))).toEqual(new TorchGenerator(1).randn([2, 8]))
  })

  it("draws anew every time without a generator", () => {
    expect(randnTensor([8])).not.toEqual(randnTensor([8]))
  })

  it.each([
    [0, 2],
    [2, 3],
    [3, 2],
  ])("refuses %i generators for %i samples", (generators, samples) => {
    const list = Array.from({ length: generators }, (_, i) => new TorchGenerator(i))
    expect(() => randnTensor([samples, 3], list)).toThrow(
      expect.objectContaining({ code: "GENERATOR_COUNT" }),
    )
  })
})

describe("a list of generators", () => {
  it("draws uniform numbers and integers in the same way", () => {
    const list = new GeneratorList(torch(1, 2))
    const single = torch(1, 2)
    expect([...list.rand([2, 3]).data]).toEqual(concatenate(...single.map(one => one.rand([1, 3]))))
    expect([...list.randint(0, 9, [2]).data]).toEqual(single.flatMap(one => [...one.randint(0, 9, [1]).data]))
  })

  it("hands its members out batch by batch", () => {
    const list = new GeneratorList(torch(1, 2, 3))
    expect([...list.nextBatch(2).randn([2, 4]).data]).toEqual(
      concatenate(...torch(1, 2).map(g => g.randn([1, 4]))),
    )
    expect(list.nextBatch(1).randn([1, 4])).toEqual(new TorchGenerator(3).randn([1, 4]))
    expect(() => list.nextBatch(1)).toThrow(expect.objectContaining({ code: "GENERATOR_COUNT" }))
  })
})

describe("resolveGenerator", () => {
  it("makes the generator of a seed", () => {
    expect(resolveGenerator({ seed: 3 }).randn([20])).toEqual(new TorchGenerator(3).randn([20]))
    expect(resolveGenerator({ seed: 3 }, "philox").randn([20])).toEqual(new PhiloxGenerator(3).randn([20]))
    expect(createGenerator("torch", 3n).seed).toBe(3n)
  })

  it("passes a generator on as it is, and a list as one", () => {
    const generator = new TorchGenerator(1)
    expect(resolveGenerator({ generator })).toBe(generator)
    expect(resolveGenerator({ generator: [generator] })).toBe(generator)
    expect(resolveGenerator({ generator: torch(1, 2) })).toBeInstanceOf(GeneratorList)
  })

  it("takes a random seed when nothing is given", () => {
    expect(resolveGenerator({}).randn([8])).not.toEqual(resolveGenerator({}).randn([8]))
  })

  it("refuses a seed beside a generator", () => {
    expect(() => resolveGenerator({ seed: 0, generator: torch(1) })).toThrow(
      expect.objectContaining({ code: "SEED_AND_GENERATOR" }),
    )
  })
})
