import type { Tensor, TensorData } from "../tensor.ts"
import type { RandomGenerator } from "./generator.ts"
import { philox4x32 } from "./philox.ts"
import { type Seed, seedBits } from "./seed.ts"
import { checkedElementCount, checkedRange } from "./shape.ts"

/** Where in its streams a {@link PhiloxGenerator} stands. */
export interface PhiloxPosition {
  /** The index of the sample that the first entry of a shape stands for; default 0. */
  readonly sample?: number
  /** The index of the next draw; default 0. */
  readonly draw?: number
}

export class PhiloxGenerator implements RandomGenerator {
  readonly seed: bigint
  #sample: number
  #draw: number

  constructor(seed: Seed, { sample = 0, draw = 0 }: PhiloxPosition = {}) {
    this.seed = seedBits(seed)
    this.#sample = sample
    this.#draw = draw
  }

  get sample(): number {
    return this.#sample
  }

  get draw(): number {
    return this.#draw
  }

  clone(): PhiloxGenerator {
    return new PhiloxGenerator(this.seed, { sample: this.#sample, draw: this.#draw })
  }

  nextBatch(size: number): PhiloxGenerator {
    const batch = this.clone()
    this.#sample += size
    return batch
  }

  randn(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#fill(data, shape, (words, i) => {
      const pair = i & 2
      const radius = Math.sqrt(-2 * Math.log((words[pair]! + 1) * 2 ** -32))
      const angle = 2 * Math.PI * words[pair + 1]! * 2 ** -32
      return radius * (i & 1 ? Math.sin(angle) : Math.cos(angle))
    })
    return { dtype: "float32", shape: [...shape], data }
  }

  rand(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#fill(data, shape, (words, i) => (words[i]! >>> 8) * 2 ** -24)
    return { dtype: "float32", shape: [...shape], data }
  }

  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64"> {
    const range = checkedRange(low, high)
    const data = new BigInt64Array(checkedElementCount(shape))
    this.#fill(data, shape, (words, i) => BigInt(low + Math.floor(words[i]! * 2 ** -32 * range)))
    return { dtype: "int64", shape: [...shape], data }
  }

  #fill<A extends TensorData["float32" | "int64"]>(
    data: A,
    shape: readonly number[],
    value: (words: Uint32Array, index: number) => A[number],
  ): void {
    const words = new Uint32Array(4)
    const key0 = Number(this.seed & 0xffffffffn)
    const key1 = Number(this.seed >> 32n)
    const samples = shape[0] ?? 1
    const perSample = samples === 0 ? 0 : data.length / samples
    for (let s = 0; s < samples; s++) {
      const sample = this.#sample + s
      for (let i = 0; i < perSample; i++) {
        if ((i & 3) === 0) {
          philox4x32(words, i >>> 2, this.#draw, sample >>> 0, Math.floor(sample / 2 ** 32), key0, key1)
        }
        data[s * perSample + i] = value(words, i & 3)
      }
    }
    this.#draw++
  }
}
