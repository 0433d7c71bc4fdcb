const multiplier0 = 0xd2511f53
const multiplier1 = 0xcd9e8d57
const weyl0 = 0x9e3779b9
const weyl1 = 0xbb67ae85
const rounds = 10

/**
 * Philox4x32-10: writes four random words, unsigned, for a counter of four words and a key of two.
 *
 * J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
 */
export function philox4x32(
  out: Uint32Array,
  start: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let c0 = counter0 | 0
  let c1 = counter1 | 0
  let c2 = counter2 | 0
  let c3 = counter3 | 0
  let k0 = key0 | 0
  let k1 = key1 | 0
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, c0)
    const high1 = multiplyHigh(multiplier1, c2)
    const low0 = Math.imul(multiplier0, c0)
    const low1 = Math.imul(multiplier1, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + weyl0) | 0
    k1 = (k1 + weyl1) | 0
  }
  out[start] = c0
  out[start + 1] = c1
  out[start + 2] = c2
  out[start + 3] = c3
}

/** The high word of the product of two words, taken as unsigned. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const crossA = Math.imul(aHigh, bLow)
  const crossB = Math.imul(aLow, bHigh)
  const carry = ((Math.imul(aLow, bLow) >>> 16) + (crossA & 0xffff) + (crossB & 0xffff)) >>> 16
  return (Math.imul(aHigh, bHigh) + (crossA >>> 16) + (crossB >>> 16) + carry) | 0
}
