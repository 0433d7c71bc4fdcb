import type { Tensor } from "../tensor.ts"
import { RandomError } from "./errors.ts"
import type { RandomGenerator } from "./generator.ts"
import { Mt19937 } from "./mt19937.ts"
import { type Seed, seedBits } from "./seed.ts"
import { checkedElementCount } from "./shape.ts"

export class TorchGenerator implements RandomGenerator {
  readonly #engine: Mt19937
  #seed: bigint
  #cachedNormal: number | undefined

  constructor(seed: Seed = 67280421310721n) {
    this.#seed = seedBits(seed)
    this.#engine = new Mt19937(Number(this.#seed & 0xffffffffn))
  }

  get seed(): bigint {
    return this.#seed
  }

  manualSeed(seed: Seed): this {
    this.#seed = seedBits(seed)
    this.#engine.seed(Number(this.#seed & 0xffffffffn))
    this.#cachedNormal = undefined
    return this
  }

  randn(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    if (data.length < 16) for (let i = 0; i < data.length; i++) data[i] = this.#normal()
    else this.#fillNormal(data)
    return { dtype: "float32", shape: [...shape], data }
  }

  rand(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    for (let i = 0; i < data.length; i++) data[i] = this.#uniform24()
    return { dtype: "float32", shape: [...shape], data }
  }

  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64"> {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low >= high) {
      throw new RandomError("INVALID_RANGE", `There is no integer in [${low}, ${high}).`)
    }
    const data = new BigInt64Array(checkedElementCount(shape))
    for (let i = 0; i < data.length; i++) data[i] = BigInt(low + (this.#engine.next() % (high - low)))
    return { dtype: "int64", shape: [...shape], data }
  }

  nextBatch(): this {
    return this
  }

  #uniform24(): number {
    return (this.#engine.next() & 0xffffff) * 2 ** -24
  }

  #uniform53(): number {
    const high = this.#engine.next() & 0x1fffff
    return (high * 2 ** 32 + this.#engine.next()) * 2 ** -53
  }

  #normal(): number {
    if (this.#cachedNormal !== undefined) {
      const cached = this.#cachedNormal
      this.#cachedNormal = undefined
      return cached
    }
    const angle = 2 * Math.PI * this.#uniform53()
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()))
    this.#cachedNormal = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  #fillNormal(data: Float32Array): void {
    for (let i = 0; i < data.length; i++) data[i] = this.#uniform24()
    for (let i = 0; i + 16 <= data.length; i += 16) transform(data, i)
    if (data.length % 16 !== 0) {
      const last = data.length - 16
      for (let i = last; i < data.length; i++) data[i] = this.#uniform24()
      transform(data, last)
    }
  }
}

function transform(data: Float32Array, start: number): void {
  for (let j = start; j < start + 8; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - data[j]!))
    const angle = 2 * Math.PI * data[j + 8]!
    data[j] = radius * Math.cos(angle)
    data[j + 8] = radius * Math.sin(angle)
  }
}
