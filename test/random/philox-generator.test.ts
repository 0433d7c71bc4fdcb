import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { philox4x32 } from "../../src/random/philox.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"

describe("the number of a place", () => {
  const seed = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const kinds = {
    randn: (generator: PhiloxGenerator, shape: number[]) => [...generator.randn(shape).data],
    rand: (generator: PhiloxGenerator, shape: number[]) => [...generator.rand(shape).data],
    randint: (generator: PhiloxGenerator, shape: number[]) => [...generator.randint(-5, 1e6, shape).data],
  }

  it.each(Object.entries(kinds))(
    "of %s depends on seed, sample and draw, but not on the batch",
    (_, draw) => {
      fc.assert(
        fc.property(
          seed,
          fc.nat(2 ** 33),
          fc.nat(9),
          fc.integer({ min: 1, max: 5 }),
          fc.nat(50),
          (...values) => {
            const [seed, sample, drawIndex, batch, size] = values
            const whole = draw(new PhiloxGenerator(seed, { sample, draw: drawIndex }), [batch, size])
            const alone = Array.from({ length: batch }, (_, i) => {
              const generator = new PhiloxGenerator(seed, { sample: sample + i })
              for (let k = 0; k < drawIndex; k++) generator.rand([3])
              return draw(generator, [1, size])
            })
            expect(alone.flat()).toEqual(whole)
          },
        ),
        { numRuns: 50 },
      )
    },
  )

  it("does not depend on what follows it", () => {
    const long = new PhiloxGenerator(3).randn([1, 1000]).data
    for (const size of [1, 15, 16, 17, 999]) {
      expect(new PhiloxGenerator(3).randn([1, size]).data).toEqual(long.subarray(0, size))
    }
  })

  it("stays the same from version to version and from machine to machine", () => {
    const { data } = new PhiloxGenerator(20_260_101).randn([4, 3, 32, 32])
    expect(Array.from(data.subarray(0, 4))).toEqual([
      0.2120838761329651, -1.088929295539856, 1.1789714097976685, 0.5687111020088196,
    ])
    expect(createHash("sha256").update(data).digest("hex")).toBe(
      "d29966a0c4d4e8e03a5a2afd741c1adf0116c7eb251a1e50cab782529cc6b0ed",
    )
  })

  it("follows from the words of its counter", () => {
    const words = new Uint32Array(16)
    for (let i = 0; i < 4; i++) philox4x32(words, 4 * i, i, 2, 7, 1, 0x9abcdef0, 0x12345678)
    const generator = new PhiloxGenerator(0x123456789abcdef0n, { sample: 2 ** 32 + 7, draw: 2 })
    const normal = generator.clone().randn([1, 16]).data
    for (let i = 0; i < 8; i++) {
      const radius = Math.sqrt(-2 * Math.log((words[i]! + 1) / 2 ** 32))
      const angle = (2 * Math.PI * words[i + 8]!) / 2 ** 32
      expect(normal[i]).toBeCloseTo(radius * Math.cos(angle), 5)
      expect(normal[i + 8]).toBeCloseTo(radius * Math.sin(angle), 5)
    }
    expect([...generator.rand([1, 16]).data]).toEqual(Array.from(words, word => (word >>> 8) / 2 ** 24))
  })
})

describe("batches", () => {
  it("go on where the last one ended, so that their size does not matter", () => {
    const draws = (sizes: number[]) => {
      const generator = new PhiloxGenerator(5)
      return sizes.flatMap(size => {
        const batch = generator.nextBatch(size)
        const [first, second] = [batch.randn([size, 6]).data, batch.randn([size, 6]).data]
        return Array.from({ length: size }, (_, i) => [first, second].map(x => x.slice(6 * i, 6 * i + 6)))
      })
    }
    expect(draws([3, 3, 1])).toEqual(draws([7]))
    expect(draws([1, 2, 4])).toEqual(draws([7]))
  })

  it("do not repeat what their generator drew before or draws afterwards", () => {
    const generator = new PhiloxGenerator(5)
    const latents = generator.randn([2, 40]).data
    const noise = generator.nextBatch(2).randn([2, 40]).data
    const later = generator.randn([2, 40]).data
    expect(new Set([...latents, ...noise, ...later]).size).toBe(240)
  })
})

describe("the distribution", () => {
  const count = 400_000
  const moments = (values: ArrayLike<number>): number[] =>
    [1, 2, 3, 4].map(power => {
      let sum = 0
      for (let i = 0; i < values.length; i++) sum += values[i]! ** power
      return sum / values.length
    })

  // Six standard errors of each moment: the square roots of 1, 2, 15 and 96 over that of the count.
  it.each([
    ["along a sample", [1, count]],
    ["over samples", [count / 10, 1]],
  ])("of randn is standard normal %s", (_, shape) => {
    const { data } = new PhiloxGenerator(1).randn(shape)
    const [mean, variance, third, fourth] = moments(data)
    expect(Math.abs(mean!)).toBeLessThan(6 * Math.sqrt(1 / data.length))
    expect(Math.abs(variance! - 1)).toBeLessThan(6 * Math.sqrt(2 / data.length))
    expect(Math.abs(third!)).toBeLessThan(6 * Math.sqrt(15 / data.length))
    expect(Math.abs(fourth! - 3)).toBeLessThan(6 * Math.sqrt(96 / data.length))
  })

  it("of rand is uniform in [0, 1)", () => {
    const { data } = new PhiloxGenerator(1).rand([1, count])
    for (const [i, moment] of moments(data).entries()) expect(moment).toBeCloseTo(1 / (i + 2), 2)
    expect(data.every(value => value >= 0 && value < 1)).toBe(true)
  })

  it("of randint gives every integer its share", () => {
    const { data } = new PhiloxGenerator(1).randint(-2, 8, [count])
    const counts = new Map<bigint, number>()
    for (const value of data) counts.set(value, (counts.get(value) ?? 0) + 1)
    expect([...counts.keys()].sort((a, b) => Number(a - b))).toEqual([
      -2n,
      -1n,
      0n,
      1n,
      2n,
      3n,
      4n,
      5n,
      6n,
      7n,
    ])
    for (const share of counts.values()) expect(share / count).toBeCloseTo(0.1, 2)
  })

  it("has no correlation between neighbours: places, samples, draws, seeds", () => {
    const base = new PhiloxGenerator(1).randn([1, count]).data
    const others = {
      draw: new PhiloxGenerator(1, { draw: 1 }).randn([1, count]).data,
      sample: new PhiloxGenerator(1, { sample: 1 }).randn([1, count]).data,
      seed: new PhiloxGenerator(2).randn([1, count]).data,
      place: base.subarray(1),
      block: base.subarray(8),
    }
    for (const other of Object.values(others)) {
      let sum = 0
      for (let i = 0; i < other.length; i++) sum += base[i]! * other[i]!
      expect(Math.abs(sum / other.length)).toBeLessThan(6 / Math.sqrt(count))
    }
  })
})

it.each([{ sample: -1 }, { sample: 1.5 }, { draw: 2 ** 32 }, { draw: Number.NaN }])(
  "refuses to stand at %j",
  position => {
    expect(() => new PhiloxGenerator(0, position)).toThrow(expect.objectContaining({ code: "INVALID_STATE" }))
  },
)

it("tells where it stands", () => {
  const generator = new PhiloxGenerator(-1, { sample: 3 })
  generator.rand([1])
  generator.nextBatch(4)
  expect(generator).toMatchObject({ seed: 2n ** 64n - 1n, sample: 7, draw: 1 })
})
