const size = 624
const shift = 397

/** Mersenne Twister: M. Matsumoto and T. Nishimura, ACM TOMACS 8 (1998) 3–30, with the seeding of 2002. */
export class Mt19937 {
  /** The 624 words that the next twist starts from. */
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(size)
  /** The position of the next word to hand out; 624 when a twist is due. */
  position: number = size

  constructor(seed: number) {
    this.seed(seed)
  }

  seed(seed: number): void {
    const { words } = this
    words[0] = seed
    for (let i = 1; i < size; i++) {
      const previous = words[i - 1]!
      words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i
    }
    this.position = size
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    if (this.position >= size) this.#twist()
    let y = this.words[this.position++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  #twist(): void {
    const { words } = this
    const mix = (i: number, next: number, far: number): void => {
      const y = (words[i]! & 0x80000000) | (words[next]! & 0x7fffffff)
      words[i] = words[far]! ^ (y >>> 1) ^ (-(y & 1) & 0x9908b0df)
    }
    for (let i = 0; i < size - shift; i++) mix(i, i + 1, i + shift)
    for (let i = size - shift; i < size - 1; i++) mix(i, i + 1, i + shift - size)
    mix(size - 1, 0, shift - 1)
    this.position = 0
  }
}
