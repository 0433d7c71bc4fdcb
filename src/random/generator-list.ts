import type { Tensor, TensorData } from "../tensor.ts"
import { RandomError } from "./errors.ts"
import type { RandomGenerator } from "./generator.ts"
import { checkedElementCount } from "./shape.ts"

/** One generator per sample, each drawn from with shape (1, …): what a list of generators means in Diffusers. */
export class GeneratorList implements RandomGenerator {
  readonly #generators: readonly RandomGenerator[]
  #next = 0

  /** @throws RandomError `GENERATOR_COUNT` when the list is empty. */
  constructor(generators: readonly RandomGenerator[]) {
    if (generators.length === 0) {
      throw new RandomError("GENERATOR_COUNT", "The list of generators is empty.", {
        hint: "Give one generator for each sample, or a single one for all of them.",
      })
    }
    this.#generators = [...generators]
  }

  randn(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#concatenate(data, shape, (generator, one) => generator.randn(one).data)
    return { dtype: "float32", shape: [...shape], data }
  }

  rand(shape: readonly number[]): Tensor<"float32"> {
    const data = new Float32Array(checkedElementCount(shape))
    this.#concatenate(data, shape, (generator, one) => generator.rand(one).data)
    return { dtype: "float32", shape: [...shape], data }
  }

  randint(low: number, high: number, shape: readonly number[]): Tensor<"int64"> {
    const data = new BigInt64Array(checkedElementCount(shape))
    this.#concatenate(data, shape, (generator, one) => generator.randint(low, high, one).data)
    return { dtype: "int64", shape: [...shape], data }
  }

  /** @throws RandomError `GENERATOR_COUNT` when fewer than `size` members are left. */
  nextBatch(size: number): GeneratorList {
    const members = this.#generators.slice(this.#next, this.#next + size)
    if (members.length < size) throw countError(this.#generators.length, this.#next + size)
    this.#next += size
    return new GeneratorList(members)
  }

  #concatenate<A extends TensorData["float32" | "int64"]>(
    data: A,
    shape: readonly number[],
    draw: (generator: RandomGenerator, shape: readonly number[]) => A,
  ): void {
    const samples = shape[0] ?? 1
    if (samples !== this.#generators.length) throw countError(this.#generators.length, samples)
    const one = [1, ...shape.slice(1)]
    const perSample = data.length / samples
    this.#generators.forEach((generator, i) => {
      const part = draw(generator, one)
      data.set(part as Float32Array & BigInt64Array, i * perSample)
    })
  }
}

function countError(generators: number, samples: number): RandomError {
  return new RandomError(
    "GENERATOR_COUNT",
    `The list holds ${generators} generators, but noise for ${samples} samples is needed.`,
    { hint: "Give one generator for each sample, or a single one for all of them." },
  )
}
