import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { RandomError } from "./errors.ts"
import type { RandomGenerator } from "./generator.ts"
import { GeneratorList } from "./generator-list.ts"
import { PhiloxGenerator } from "./philox-generator.ts"
import { randomSeed, type Seed } from "./seed.ts"
import { TorchGenerator } from "./torch-generator.ts"

/** What calls accept as `generator`: one, or a list with one per sample; a list of one counts as that one. */
export type GeneratorInput = RandomGenerator | readonly RandomGenerator[]

/** The generators that a seed can stand for; `torch` equals PyTorch's on the CPU. */
export type GeneratorKind = "torch" | "philox"

/** The ways to say where a call's random numbers come from. */
export interface RandomOptions {
  /** The seed of a fresh generator; by default a random one. */
  readonly seed?: Seed | undefined
  /** A generator, or one per sample; advances with the call. */
  readonly generator?: GeneratorInput | undefined
}

/** Makes a fresh generator. */
export function createGenerator(kind: GeneratorKind, seed: Seed): TorchGenerator | PhiloxGenerator {
  return kind === "torch" ? new TorchGenerator(seed) : new PhiloxGenerator(seed)
}

/**
 * The one generator that a call's options mean.
 *
 * @param kind - What a `seed`, or nothing at all, stands for.
 * @throws RandomError `SEED_AND_GENERATOR`, `INVALID_SEED`, `GENERATOR_COUNT` (an empty list)
 */
export function resolveGenerator(options: RandomOptions, kind: GeneratorKind = "torch"): RandomGenerator {
  const { seed, generator } = options
  if (generator === undefined) return createGenerator(kind, seed ?? randomSeed())
  if (seed !== undefined) {
    throw new RandomError("SEED_AND_GENERATOR", "Both `seed` and `generator` were given.", {
      hint: "Give one of them: a generator already carries its seed.",
    })
  }
  return asGenerator(generator)
}

function isGenerator(value: unknown): boolean {
  const { randn, nextBatch } = (value ?? {}) as Partial<RandomGenerator>
  return typeof randn === "function" && typeof nextBatch === "function"
}

/** The one generator that a generator or a list of them means. */
export function asGenerator(generator: GeneratorInput): RandomGenerator {
  const all: readonly unknown[] = Array.isArray(generator) ? generator : [generator]
  const odd = all.findIndex(one => !isGenerator(one))
  if (odd >= 0) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `generator is ${describeValue(all[odd])}, but must be a generator or a list of them.`,
      {
        hint: "Such as new TorchGenerator(0); a number is given as seed.",
      },
    )
  }
  if ("randn" in generator) return generator
  const [only] = generator
  return generator.length === 1 && only ? only : new GeneratorList(generator)
}

/**
 * Standard normal noise of `shape`, as Diffusers' `randn_tensor` draws it: from one generator in one go, or, from
 * a list, sample by sample with shape (1, …), concatenated.
 *
 * @throws RandomError `GENERATOR_COUNT` when a list has neither one member nor `shape[0]`.
 */
export function randnTensor(shape: readonly number[], generator?: GeneratorInput): Tensor<"float32"> {
  return resolveGenerator({ generator }).randn(shape)
}
