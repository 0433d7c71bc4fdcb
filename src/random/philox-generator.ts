import { elementCount, type Tensor } from "../tensor.ts"
import { boxMuller16 } from "./box-muller.ts"
import { RandomError } from "./errors.ts"
import type { RandomGenerator } from "./generator.ts"
import { philox4x32 } from "./philox.ts"
import { type Seed, seedBits } from "./seed.ts"
import { checkedElementCount, checkedRange } from "./shape.ts"

/** Where a {@link PhiloxGenerator} stands. */
export interface PhiloxPosition {
  /** The index of the sample that the first entry of a shape stands for; by default 0. */
  readonly sample?: number
  /** The index of the next draw; by default 0. */
  readonly draw?: number
}

/**
 * A counter-based generator: each number is a function of the seed, the index of its sample, the index of the draw and
 * its place in the sample. Sample 1234 of a request is therefore the same picture whatever the batch size is, on every
 * machine, and can be made again alone.
 *
 * Philox4x32-10 with the seed as key and (block of 4 words, draw, sample) as counter; normal numbers by Box–Muller in
 * blocks of 16. The numbers are not those of PyTorch's or JAX's generators on a GPU.
 *
 * @example
 * new PhiloxGenerator(0).randn([8, 3, 32, 32]) // entry 5 equals
 * new PhiloxGenerator(0, { sample: 5 }).randn([1, 3, 32, 32])
 */
export class PhiloxGenerator implements RandomGenerator {
  /** The key, unsigned. */
  readonly seed: bigint
  #sample: number
  #draw: number

  /** @throws RandomError `INVALID_SEED`, `INVALID_STATE` when the position is not two whole numbers from 0 up. */
  constructor(seed: Seed, { sample = 0, draw = 0 }: PhiloxPosition = {}) {
    this.seed = seedBits(seed)
    this.#sample = checkedIndex("sample", sample, Number.MAX_SAFE_INTEGER)
    this.#draw = checkedIndex("draw", draw, highestDraw)
  }

  /** The index of the sample that the first entry of the next shape stands for. */
  get sample(): number {
    return this.#sample
  }

  /** The index of the next draw. */
  get draw(): number {
    return this.#draw
  }

  /** A generator that goes on from here by itself. */
  clone(): PhiloxGenerator {
    return new PhiloxGenerator(this.seed, { sample: this.#sample, draw: this.#draw })
  }

  /**
   * A generator for the samples from here on, which starts with this one's next draw; this one moves on by `size`
   * samples. Requests for 4 and for 8 samples thus give the 12 samples of one request for 12.
   */
  nextBatch(size: number): PhiloxGenerator {
    const batch = this.clone()
    this.#sample = checkedIndex("sample", this.#sample + size, Number.MAX_SAFE_INTEGER)
    return batch
  }

  randn(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    const block = new Float32Array(16)
    this.#drawBlocks(shape, 16, (words, start, end) => {
      for (let i = 0; i < 8; i++) block[i] = (words[i]! + 1) * 2 ** -32
      for (let i = 8; i < 16; i++) block[i] = words[i]! * 2 ** -32
      boxMuller16(block, 0)
      data.set(end - start === 16 ? block : block.subarray(0, end - start), start)
    })
    return { dtype: "float32", shape: [...shape], data }
  }

  rand(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#drawBlocks(shape, 16, (words, start, end) => {
      for (let i = start; i < end; i++) data[i] = (words[i - start]! >>> 8) * 2 ** -24
    })
    return { dtype: "float32", shape: [...shape], data }
  }

  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64"> {
    const range = checkedRange(low, high)
    const data = new BigInt64Array(checkedElementCount(shape))
    this.#drawBlocks(shape, 8, (words, start, end) => {
      for (let i = start; i < end; i++) {
        const [fine, coarse] = [words[i - start]! >>> 11, words[i - start + 8]!]
        data[i] = BigInt(low + Math.floor((coarse * 2 ** -32 + fine * 2 ** -53) * range))
      }
    })
    return { dtype: "int64", shape: [...shape], data }
  }

  /**
   * Makes 16 words for every `blockSize` elements of every sample, and moves on to the next draw. A sample's last block
   * may be cut short; `start` and `end` are places in the whole tensor.
   */
  #drawBlocks(
    shape: readonly number[],
    blockSize: number,
    use: (words: Uint32Array, start: number, end: number) => void,
  ): void {
    const draw = this.#draw
    this.#draw = checkedIndex("draw", draw + 1, highestDraw)
    const perSample = elementCount(shape.slice(1))
    const words = new Uint32Array(16)
    const key0 = Number(this.seed & 0xffffffffn)
    const key1 = Number(this.seed >> 32n)
    for (let s = 0; s < (shape[0] ?? 1); s++) {
      const sample = this.#sample + s
      const sampleHigh = Math.floor(sample / 2 ** 32)
      for (let block = 0; block * blockSize < perSample; block++) {
        for (let i = 0; i < 4; i++) {
          philox4x32(words, 4 * i, 4 * block + i, draw, sample, sampleHigh, key0, key1)
        }
        const start = s * perSample + block * blockSize
        use(words, start, Math.min(start + blockSize, (s + 1) * perSample))
      }
    }
  }
}

const highestDraw = 2 ** 32 - 1

function checkedIndex(name: "sample" | "draw", value: number, highest: number): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > highest) {
    throw new RandomError("INVALID_STATE", `A Philox generator cannot stand at ${name} ${value}.`, {
      hint: `Give a whole number from 0 to ${highest}.`,
    })
  }
  return value
}
