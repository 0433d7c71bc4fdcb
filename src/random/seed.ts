import { describeValue } from "../describe-value.ts"
import { RandomError } from "./errors.ts"

/** A seed: an integer of up to 64 bits. Negative ones count down from 2⁶⁴, as in PyTorch. */
export type Seed = number | bigint

const lowest = -(2n ** 63n)
const highest = 2n ** 64n - 1n

/**
 * The unsigned 64 bits of a seed.
 *
 * @throws RandomError `INVALID_SEED` when it is no integer, not exact as a number, or outside of [-2⁶³, 2⁶⁴ - 1].
 */
export function seedBits(seed: Seed): bigint {
  if (typeof seed === "number" ? !Number.isSafeInteger(seed) : typeof seed !== "bigint") {
    throw new RandomError(
      "INVALID_SEED",
      `The seed ${describeValue(seed)} is not an integer that is held exactly.`,
      {
        hint: "Give a whole number, or a bigint for seeds beyond 2^53.",
      },
    )
  }
  const value = BigInt(seed)
  if (value < lowest || value > highest) {
    throw new RandomError("INVALID_SEED", `The seed ${value} does not fit into 64 bits.`, {
      hint: "Give a seed from -2^63 to 2^64 - 1.",
    })
  }
  return BigInt.asUintN(64, value)
}

/** A fresh seed of 32 bits from the platform's secure source: a plain number, easy to note and to type again. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!
}
