import type { Tensor } from "../tensor.ts"
import { boxMuller16 } from "./box-muller.ts"
import type { RandomGenerator } from "./generator.ts"
import { Mt19937 } from "./mt19937.ts"
import { type Seed, seedBits } from "./seed.ts"
import { checkedElementCount, checkedRange } from "./shape.ts"
import { decodeTorchState, encodeTorchState } from "./torch-state.ts"

/**
 * The generator of PyTorch on the CPU, `torch.Generator("cpu")`: the same seed gives the same numbers, so that a
 * pipeline gives the picture that Diffusers gives.
 *
 * The numbers equal PyTorch's bit for bit where it runs with AVX2 or AVX-512, on nearly every x86 machine. Without
 * them, and on Arm, PyTorch itself rounds in another way, and its normal numbers are up to 2e-6 away. Its generators on
 * CUDA and MPS give other numbers altogether.
 */
export class TorchGenerator implements RandomGenerator {
  #seed: bigint
  #engine: Mt19937
  /** The sine half of a pair of normal numbers that were made one by one. */
  #cachedNormal: number | undefined

  /** @throws RandomError `INVALID_SEED` */
  constructor(seed: Seed) {
    this.#seed = seedBits(seed)
    this.#engine = engineOf(this.#seed)
  }

  /** The seed that the stream began with, unsigned. PyTorch calls it `initial_seed()`. */
  get seed(): bigint {
    return this.#seed
  }

  /**
   * Starts the stream of another seed. Seeds that agree in their low 32 bits give the same stream, as in PyTorch.
   *
   * @throws RandomError `INVALID_SEED`
   */
  manualSeed(seed: Seed): this {
    this.#seed = seedBits(seed)
    this.#engine = engineOf(this.#seed)
    this.#cachedNormal = undefined
    return this
  }

  /** The generator's state in the 5056 bytes of PyTorch's `get_state()`. */
  getState(): Uint8Array<ArrayBuffer> {
    return encodeTorchState({ seed: this.#seed, engine: this.#engine, cachedNormal: this.#cachedNormal })
  }

  /**
   * Goes on from a saved state, from here or from PyTorch.
   *
   * @throws RandomError `INVALID_STATE`, and the generator stays as it was.
   */
  setState(state: Uint8Array): this {
    const { seed, engine, cachedNormal } = decodeTorchState(state)
    this.#seed = seed
    this.#engine = engine
    this.#cachedNormal = cachedNormal
    return this
  }

  /** A generator that goes on from here by itself. */
  clone(): TorchGenerator {
    return new TorchGenerator(this.#seed).setState(this.getState())
  }

  /**
   * `torch.randn(shape, generator=…)`. As there, fewer than 16 numbers are made in another way than more, so that the
   * numbers depend on how they are asked for.
   */
  randn(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    if (data.length < 16) for (let i = 0; i < data.length; i++) data[i] = this.#normal()
    else this.#fillNormal(data)
    return { dtype: "float32", shape: [...shape], data }
  }

  /** `torch.rand(shape, generator=…)`. */
  rand(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#fillUniform(data, 0)
    return { dtype: "float32", shape: [...shape], data }
  }

  /** `torch.randint(low, high, shape, generator=…)`; before PyTorch 2.7, ranges from 2^28 to 2^32 differ. */
  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64"> {
    const range = checkedRange(low, high)
    const data = new BigInt64Array(checkedElementCount(shape))
    for (let i = 0; i < data.length; i++) {
      const offset = range < 2 ** 28 ? BigInt(this.#engine.next() % range) : this.#next64() % BigInt(range)
      data[i] = BigInt(low) + offset
    }
    return { dtype: "int64", shape: [...shape], data }
  }

  /** This generator itself: its stream goes on from batch to batch. */
  nextBatch(): this {
    return this
  }

  #next64(): bigint {
    return (BigInt(this.#engine.next()) << 32n) | BigInt(this.#engine.next())
  }

  /** A uniform number in [0, 1) with 53 bits. */
  #uniform(): number {
    const high = this.#engine.next() & 0x1fffff
    return (high * 2 ** 32 + this.#engine.next()) * 2 ** -53
  }

  #normal(): number {
    const cached = this.#cachedNormal
    if (cached !== undefined) {
      this.#cachedNormal = undefined
      return cached
    }
    const angle = 2 * Math.PI * this.#uniform()
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform()))
    this.#cachedNormal = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  #fillUniform(data: Float32Array, from: number): void {
    const engine = this.#engine
    for (let i = from; i < data.length; i++) data[i] = (engine.next() & 0xffffff) * 2 ** -24
  }

  #fillNormal(data: Float32Array): void {
    this.#fillUniform(data, 0)
    for (let start = 0; start + 16 <= data.length; start += 16) toNormal(data, start)
    if (data.length % 16 !== 0) {
      // The last numbers do not fill a block, so PyTorch draws the last 16 anew.
      this.#fillUniform(data, data.length - 16)
      toNormal(data, data.length - 16)
    }
  }
}

function engineOf(seed: bigint): Mt19937 {
  return new Mt19937(Number(seed & 0xffffffffn))
}

function toNormal(data: Float32Array, start: number): void {
  for (let i = start; i < start + 8; i++) data[i] = 1 - data[i]!
  boxMuller16(data, start)
}
