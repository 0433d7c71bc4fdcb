import { InvalidArgumentError } from "commander"
import { devices, type ResolvedDevice } from "../platform/device.ts"

/** A parser of whole numbers from `least` up. */
export function wholeNumber(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && Number.isSafeInteger(value)) return value
    throw new InvalidArgumentError(`It must be a whole number from ${least} up.`)
  }
}

/** A parser of an option with several values. */
export function several<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => [...before, parse(text)]
}

/** A finite number. */
export function number(text: string): number {
  const value = Number(text)
  if (text.trim() !== "" && Number.isFinite(value)) return value
  throw new InvalidArgumentError("It must be a number.")
}

/** A seed: any integer of up to 64 bits. */
export function seedNumber(text: string): number | bigint {
  const inRange = /^-?\d{1,20}$/.test(text) && BigInt(text) >= -(2n ** 63n) && BigInt(text) < 2n ** 64n
  if (!inRange) throw new InvalidArgumentError("It must be a whole number of up to 64 bits.")
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** A device's name, or several with commas between, which are tried in order. */
export function deviceNames(text: string): ("auto" | ResolvedDevice)[] {
  const names: readonly string[] = ["auto", ...devices]
  const chosen = text.split(",").map(name => name.trim())
  const unknown = chosen.find(name => !names.includes(name))
  if (unknown === undefined) return chosen as ("auto" | ResolvedDevice)[]
  throw new InvalidArgumentError(`There is no device "${unknown}"; the names are ${names.join(", ")}.`)
}

/** A parser that wants a file name with one of the endings. */
export function fileName(...endings: readonly `.${string}`[]): (text: string) => string {
  return text => {
    if (endings.some(ending => text.toLowerCase().endsWith(ending))) return text
    throw new InvalidArgumentError(`Its name must end in ${endings.join(" or ")}.`)
  }
}
