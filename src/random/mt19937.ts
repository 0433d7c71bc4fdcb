const size = 624
const shift = 397

/** Mersenne Twister: M. Matsumoto and T. Nishimura, ACM TOMACS 8 (1998) 3–30, with their seeding of 2002. */
export class Mt19937 {
  readonly #words = new Uint32Array(size)
  /** The index of the next word to hand out; `size` when a twist is due. */
  #position = size

  constructor(seed: number) {
    const words = this.#words
    words[0] = seed
    for (let i = 1; i < size; i++) {
      const previous = words[i - 1]!
      words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i
    }
  }

  /** An engine in a given state: 624 words, of which those from `position` on are still to be handed out. */
  static from(words: Uint32Array, position: number): Mt19937 {
    const engine = new Mt19937(0)
    engine.#words.set(words)
    engine.#position = position
    return engine
  }

  get words(): Uint32Array {
    return this.#words.slice()
  }

  get position(): number {
    return this.#position
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    if (this.#position === size) this.#twist()
    let y = this.#words[this.#position++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  #twist(): void {
    const words = this.#words
    for (let i = 0; i < size - shift; i++) words[i] = mix(words[i]!, words[i + 1]!, words[i + shift]!)
    for (let i = size - shift; i < size - 1; i++) {
      words[i] = mix(words[i]!, words[i + 1]!, words[i + shift - size]!)
    }
    words[size - 1] = mix(words[size - 1]!, words[0]!, words[shift - 1]!)
    this.#position = 0
  }
}

function mix(word: number, next: number, far: number): number {
  const y = (word & 0x80000000) | (next & 0x7fffffff)
  return far ^ (y >>> 1) ^ (-(y & 1) & 0x9908b0df)
}
