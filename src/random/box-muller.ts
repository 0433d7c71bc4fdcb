const { fround } = Math

// Constants of Cephes (S. L. Moshier: logf, sinf, cosf), as float32.
const log2High = fround(0.693359375)
const log2Low = fround(-2.1219444e-4)
const log0 = fround(7.0376836292e-2)
const log1 = fround(-1.151461031e-1)
const log2 = fround(1.167699874e-1)
const log3 = fround(-1.2420140846e-1)
const log4 = fround(1.4249322787e-1)
const log5 = fround(-1.6668057665e-1)
const log6 = fround(2.0000714765e-1)
const log7 = fround(-2.4999993993e-1)
const log8 = fround(3.3333331174e-1)
const twoPi = fround(2 * Math.PI)
const fourOverPi = fround(1.27323954473516)
// π/4 in two parts, of which the first has so few bits that its products with 2, 4, 6 and 8 are exact.
const quarterPiHigh = 0.78515625 + 2.4187564849853516e-4
const quarterPiLow = fround(3.774894977445941e-8)
const cos0 = fround(2.443315711809948e-5)
const cos1 = fround(-1.388731625493765e-3)
const cos2 = fround(4.166664568298827e-2)
const sin0 = fround(-1.9515295891e-4)
const sin1 = fround(8.3321608736e-3)
const sin2 = fround(-1.6666654611e-1)

const oneBits = 0x3f800000
const sqrtHalfBits = 0x3f3504f3

const cosineSign = Float64Array.of(1, 0, 1, 0, -1, 0, -1, 0, 1)
const sineSign = Float64Array.of(1, 0, -1, 0, -1, 0, 1, 0, 1)

/** Takes a float32 apart; shared, since nothing can come between its uses. */
const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

/** The natural logarithm of a normal float32 in (0, 1]. */
function log(value: number): number {
  // value = 2^exponent · mantissa, with the mantissa in [√½, √2).
  float[0] = value
  const shifted = bits[0]! + (oneBits - sqrtHalfBits)
  const exponent = (shifted >> 23) - 127
  bits[0] = (shifted & 0x7fffff) + sqrtHalfBits
  const x = float[0]! - 1
  const z = fround(x * x)
  let y = fround(log0 * x + log1)
  y = fround(y * x + log2)
  y = fround(y * x + log3)
  y = fround(y * x + log4)
  y = fround(y * x + log5)
  y = fround(y * x + log6)
  y = fround(y * x + log7)
  y = fround(y * x + log8)
  y = fround(fround(y * x) * z + fround(exponent * log2Low))
  y = fround(y - 0.5 * z)
  return fround(exponent * log2High + fround(x + y))
}

/**
 * Turns 16 uniform numbers into 16 standard normal ones (G. E. P. Box and M. E. Muller, 1958), in place: the eight from
 * `start` on, in (0, 1], make radii, and the eight behind them, in [0, 1], make angles; they are replaced by each radius
 * times the cosine, and times the sine, of its angle.
 *
 * Logarithm, sine and cosine are the float32 polynomials of Cephes, with the roundings and the fused multiply-adds of
 * PyTorch's AVX2 and AVX-512 kernels, so that the numbers equal PyTorch's bit for bit. They need sums, products and
 * square roots only, which IEEE 754 fixes to the last bit, so the numbers are the same on every machine; those of
 * `Math.log`, `Math.sin` and `Math.cos` need not be.
 *
 * `fround(a * b + c)` is the fused multiply-add, since float64 holds the product of two float32. Where a rounding is
 * missing, the result is exact without it.
 */
export function boxMuller16(values: Float32Array, start: number): void {
  for (let i = start; i < start + 8; i++) {
    const radius = fround(Math.sqrt(-2 * log(values[i]!)))
    const angle = fround(twoPi * values[i + 8]!)

    // What is left of the angle after an even number of octants.
    const octants = (fround(angle * fourOverPi) + 1) & ~1
    const x = fround(angle - octants * quarterPiHigh - octants * quarterPiLow)
    const z = fround(x * x)
    let cosine = fround(cos0 * z + cos1)
    cosine = fround(cosine * z + cos2)
    cosine = fround(fround(fround(cosine * z) * z - 0.5 * z) + 1)
    let sine = fround(sin0 * z + sin1)
    sine = fround(sine * z + sin2)
    sine = fround(fround(sine * z) * x + x)

    // Every other quarter turn swaps the two. Looking up places and signs is faster than branches on random numbers.
    const swap = (octants & 2) << 2
    values[i + swap] = radius * cosineSign[octants]! * cosine
    values[i + 8 - swap] = radius * sineSign[octants]! * sine
  }
}
