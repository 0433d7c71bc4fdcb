import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from "../../src/weights/half.ts"

/** An independent reading of binary16, by its definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15)
}

const halves = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits)

describe("float16", () => {
  it("widens all 65536 patterns exactly", () => {
    const values = float16ToFloat32(halves)
    for (let bits = 0; bits < 0x10000; bits++) {
      if (!Object.is(values[bits], halfValue(bits)))
        expect([bits, values[bits]]).toEqual([bits, halfValue(bits)])
    }
  })

  it("narrows every half to itself", () => {
    const narrowed = float32ToFloat16(float16ToFloat32(halves))
    const isNaNPattern = (bits: number) => (bits & 0x7fff) > 0x7c00
    expect([...narrowed].filter((bits, i) => bits !== i && !isNaNPattern(i))).toEqual([])
    expect([...halves].filter(bits => isNaNPattern(bits) && !isNaNPattern(narrowed[bits]!))).toEqual([])
  })

  it("rounds to nearest, ties to even", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65519, max: 65519 }), value => {
        const bits = float32ToFloat16(Float32Array.of(value))[0]!
        const error = Math.abs(halfValue(bits) - value)
        for (const neighbour of [bits - 1, bits + 1]) {
          if ((neighbour & 0x7fff) >= 0x7c00 || (bits & 0x7fff) === 0) continue
          const other = Math.abs(halfValue(neighbour & 0xffff) - value)
          if (other < error || (other === error && bits % 2 === 1)) return false
        }
        return true
      }),
      { numRuns: 20_000 },
    )
  })

  it("agrees with PyTorch 2.14 on the hard cases", () => {
    // torch.tensor(values).half().view(torch.int16)
    const cases: [number, number][] = [
      [65504, 0x7bff],
      [65519.99609375, 0x7bff],
      [65520, 0x7c00],
      [-1e10, 0xfc00],
      [Number.NaN, 0x7e00],
      [Number.POSITIVE_INFINITY, 0x7c00],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [2 ** -25 + 2 ** -48, 0x0001],
      [3 * 2 ** -25, 0x0002],
      [2 ** -14, 0x0400],
      [2 ** -14 - 2 ** -25, 0x0400],
      [-0, 0x8000],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [Math.PI, 0x4248],
    ]
    expect([...float32ToFloat16(Float32Array.from(cases, ([value]) => value))]).toEqual(
      cases.map(([, bits]) => bits),
    )
  })
})

describe("bfloat16", () => {
  it("is the upper half of float32", () => {
    const values = bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc049, 0x7f80, 0x0001))
    expect([...values]).toEqual([1, -3.140625, Number.POSITIVE_INFINITY, 2 ** -133])
  })

  it("fills a target that starts in the middle of a buffer", () => {
    const buffer = new Float32Array(4)
    bfloat16ToFloat32(Uint16Array.of(0x3f80, 0x4000), buffer.subarray(1, 3))
    expect([...buffer]).toEqual([0, 1, 2, 0])
  })
})
