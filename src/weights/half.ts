/** The value of each of the 65536 bit patterns of a 16-bit float; built when first needed. */
let float16Values: Float32Array | undefined

function float16Table(): Float32Array {
  if (float16Values !== undefined) return float16Values
  const table = new Float32Array(0x10000)
  for (let bits = 0; bits < 0x8000; bits++) {
    const exponent = bits >> 10
    const mantissa = bits & 0x3ff
    if (exponent === 0) table[bits] = mantissa * 2 ** -24
    else if (exponent < 31) table[bits] = (1 + mantissa / 1024) * 2 ** (exponent - 15)
    else table[bits] = mantissa === 0 ? Number.POSITIVE_INFINITY : Number.NaN
    table[bits | 0x8000] = -table[bits]!
  }
  float16Values = table
  return table
}

/**
 * Widens 16-bit floats (IEEE 754 binary16), given as their bits. Exact.
 *
 * @param target Receives the values; at least as long as `bits`. A new array when left out.
 */
export function float16ToFloat32(
  bits: Uint16Array,
  target: Float32Array = new Float32Array(bits.length),
): Float32Array {
  const table = float16Table()
  for (let i = 0; i < bits.length; i++) target[i] = table[bits[i]!]!
  return target
}

/**
 * Widens bfloat16 values, given as their bits: the upper halves of float32. Exact.
 *
 * @param target Receives the values; at least as long as `bits`. A new array when left out.
 */
export function bfloat16ToFloat32(
  bits: Uint16Array,
  target: Float32Array = new Float32Array(bits.length),
): Float32Array {
  const words = new Uint32Array(target.buffer, target.byteOffset, bits.length)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
  return target
}

const scratch = new Float32Array(1)
const scratchWord = new Uint32Array(scratch.buffer)
const largestFinitePlusOne = 0x47800000 // 65536, beyond every finite half
const infinity = 0x7f800000
const smallestNormal = 0x38800000 // 2^-14
const exponentShift = 0x38000000 // (127 - 15) << 23
const oneHalf = 0x3f000000

/**
 * Narrows to 16-bit floats, rounding to nearest, ties to even, as `Tensor.half()` of PyTorch does. Magnitudes from
 * 65520 on become infinite, NaN stays NaN.
 *
 * @returns The bits of each value.
 */
export function float32ToFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    if (magnitude >= largestFinitePlusOne) {
      bits[i] = sign | (magnitude > infinity ? 0x7e00 : 0x7c00)
    } else if (magnitude >= smallestNormal) {
      // Adding just under half of the last kept bit, plus that bit, rounds ties to even; the carry may reach infinity.
      bits[i] = sign | ((magnitude - exponentShift + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
    } else {
      // The spacing of float32 at 0.5 is that of subnormal halves, so the addition does the rounding.
      scratch[0] = Math.abs(values[i]!) + 0.5
      bits[i] = sign | (scratchWord[0]! - oneHalf)
    }
  }
  return bits
}
