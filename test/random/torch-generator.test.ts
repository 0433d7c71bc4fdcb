import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { RandomError } from "../../src/random/errors.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import golden from "../fixtures/random/torch-cpu.json" with { type: "json" }

const sha256 = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest("hex")

describe("randn", () => {
  it.each(golden.randn.map(({ seed, values }) => [seed, values.length, values] as const))(
    "equals PyTorch's for seed %i and %i numbers",
    (seed, count, values) => {
      expect([...new TorchGenerator(seed).randn([count]).data]).toEqual(values)
    },
  )

  it("equals PyTorch's over calls of any size, with the number cached between the small ones", () => {
    for (const { seed, draws } of golden.sequences) {
      const generator = new TorchGenerator(seed)
      expect(draws.map(({ length }) => [...generator.randn([length]).data])).toEqual(draws)
    }
  })

  it.each(golden.digests)(
    "equals PyTorch's bit for bit: seed $seed, shape $shape, twice",
    ({ seed, shape, ...want }) => {
      const generator = new TorchGenerator(BigInt(seed))
      const [first, second] = [generator.randn(shape), generator.randn(shape)]
      expect(first).toMatchObject({ dtype: "float32", shape })
      expect([...first.data.subarray(0, 4)]).toEqual(want.first)
      expect([sha256(first.data), sha256(second.data)]).toEqual(want.sha256)
    },
  )

  it("gives nothing for an empty shape's elements, and one number for a scalar", () => {
    const generator = new TorchGenerator(0)
    expect(generator.randn([0, 3]).data).toHaveLength(0)
    expect([...generator.randn([]).data]).toEqual(golden.randn[0]?.values)
  })
})

describe("rand and randint", () => {
  it("equal PyTorch's", () => {
    for (const { seed, values } of golden.rand) {
      expect([...new TorchGenerator(seed).rand([4, 5]).data]).toEqual(values)
    }
    for (const { seed, low, high, values } of golden.randint) {
      const { data } = new TorchGenerator(seed).randint(low, high, [values.length])
      expect(Array.from(data, String)).toEqual(values)
    }
  })

  it.each([
    [3, 3],
    [5, 2],
    [0.5, 2],
    [0, Number.NaN],
    [-(2 ** 53), 2 ** 53],
  ])("refuse the range [%d, %d)", (low, high) => {
    const draw = () => new TorchGenerator(0).randint(low, high, [1])
    expect(draw).toThrow(RandomError)
    expect(draw).toThrow(expect.objectContaining({ code: "INVALID_RANGE" }))
  })
})

describe("seeds", () => {
  it("start the stream again", () => {
    const generator = new TorchGenerator(1)
    const first = generator.randn([5])
    expect(generator.randn([5])).not.toEqual(first)
    expect(generator.manualSeed(1).randn([5])).toEqual(first)
  })

  it("count as unsigned 64 bits of which the low 32 matter, as in PyTorch", () => {
    expect(new TorchGenerator(-1).seed).toBe(2n ** 64n - 1n)
    expect(new TorchGenerator(-1).randn([20])).toEqual(new TorchGenerator(2n ** 32n - 1n).randn([20]))
    expect(new TorchGenerator(2 ** 32 + 5).seed).toBe(2n ** 32n + 5n)
  })

  it.each([1.5, Number.NaN, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n, "7" as unknown as number])(
    "refuse %s",
    seed => {
      expect(() => new TorchGenerator(seed)).toThrow(expect.objectContaining({ code: "INVALID_SEED" }))
    },
  )
})

describe("state", () => {
  const run = (after: string, generator: TorchGenerator): TorchGenerator => {
    for (const [, method, count] of after.matchAll(/(randn?)\((\d+)\)/g)) {
      generator[method as "rand" | "randn"]([Number(count)])
    }
    return generator
  }

  it.each(golden.states)("has the bytes that PyTorch's has after $after, and goes on from them", want => {
    const state = run(want.after, new TorchGenerator(want.seed)).getState()
    expect(sha256(state)).toBe(want.sha256)
    expect([...new TorchGenerator(99).setState(state).randn([20]).data]).toEqual(want.next)
  })

  it("is taken along by a clone, which then goes its own way", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.array(fc.nat(40)), (seed, counts) => {
        const generator = new TorchGenerator(seed)
        for (const count of counts) generator.randn([count])
        const copy = generator.clone()
        copy.clone().randn([100])
        expect(copy.seed).toBe(generator.seed)
        expect(copy.randn([7])).toEqual(generator.randn([7]))
        expect(copy.rand([700])).toEqual(generator.rand([700]))
      }),
      { numRuns: 30 },
    )
  })

  it("is refused when it is none, and the generator stays as it was", () => {
    const generator = new TorchGenerator(3)
    const before = generator.getState()
    const spoilt = before.slice()
    spoilt[8] = 0
    for (const bytes of [new Uint8Array(10), new Uint8Array(5056), spoilt]) {
      expect(() => generator.setState(bytes)).toThrow(expect.objectContaining({ code: "INVALID_STATE" }))
    }
    expect(generator.getState()).toEqual(before)
  })
})

it.each([[[-1]], [[2.5]], [[Number.NaN, 2]], [[2 ** 20, 2 ** 20]]])("refuses the shape %j", shape => {
  expect(() => new TorchGenerator(0).randn(shape)).toThrow(expect.objectContaining({ code: "INVALID_SHAPE" }))
})
