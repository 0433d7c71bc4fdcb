import { closestMatch } from "leven"
import { describeValue } from "./describe-value.ts"
import { InputError } from "./errors.ts"
import { isTensor } from "./tensor.ts"

/** Says what a value must be, where it is something else; an option that is not given is not looked at. */
export type Kind = (value: unknown) => string | undefined

export const kind =
  (fits: (value: unknown) => boolean, allowed: string): Kind =>
  value =>
    fits(value) ? undefined : allowed

export const flag: Kind = kind(value => typeof value === "boolean", "true or false")
export const number: Kind = kind(value => typeof value === "number", "a number")
export const text: Kind = kind(value => typeof value === "string", "a string")
export const callback: Kind = kind(value => typeof value === "function", "a function")
export const list: Kind = kind(Array.isArray, "an array")
export const object: Kind = kind(value => typeof value === "object" && value !== null, "an object")

export const oneOf = (...names: readonly string[]): Kind =>
  kind(value => names.some(name => name === value), names.map(name => `"${name}"`).join(" or "))

export const tensor: Kind = kind(isTensor, "a tensor { dtype, shape, data }")

/** One class for all pictures, or one for each. */
export const labels: Kind = kind(
  value => typeof value === "number" || Array.isArray(value) || isTensor(value),
  "a number, an array of numbers or a tensor",
)

/** Of any realm, or one that a library made: what is needed of it is there. */
export const abortSignal: Kind = kind(value => {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>
  return typeof aborted === "boolean" && typeof addEventListener === "function"
}, "an AbortSignal")

/**
 * The options of a call: what each must be, or true for one that is checked where it is used. The compiler misses one
 * that is forgotten here.
 */
export interface OptionList<T extends object> {
  /** The type that documents them. */
  readonly type: string
  readonly options: { readonly [K in keyof T]-?: Kind | true }
}

/**
 * Checks the options of a caller that no compiler has checked: a name that means nothing, which would else be left out
 * without a word, and values of another type.
 *
 * @param call - What they were given to, such as `pipe()`.
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkOptions<T extends object>(
  call: string,
  given: unknown,
  { type, options }: OptionList<T>,
): void {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `${call} was given ${describeValue(given)}, but takes an object with options.`,
      { hint: `The type ${type} lists them.` },
    )
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!Object.hasOwn(options, name)) throw unknownOption(call, name, type, Object.keys(options))
    const check = options[name as keyof T]
    const allowed = check === true ? undefined : check(value)
    if (allowed === undefined) continue
    throw new InputError("INVALID_ARGUMENT", `${name} is ${describeValue(value)}, but must be ${allowed}.`)
  }
}

// What other programs, and this one's command line, call an option that is spelt too differently here to be found.
const otherNames: ReadonlyMap<string, string> = new Map([
  ["steps", "numInferenceSteps"],
  ["numsteps", "numInferenceSteps"],
  ["n", "batchSize"],
  ["numimages", "batchSize"],
  ["numsamples", "batchSize"],
  ["numimagesperprompt", "batchSize"],
  ["maskimage", "mask"],
])

function unknownOption(call: string, name: string, type: string, known: readonly string[]): InputError {
  const [near, why] = nearOption(name, known)
  const hint =
    near === undefined
      ? `It has ${known.join(", ")}; the type ${type} says what they are.`
      : `${why} The type ${type} lists all options.`
  return new InputError("INVALID_ARGUMENT", `${call} has no option "${name}".`, { hint })
}

/** The option that was probably meant. */
function nearOption(name: string, known: readonly string[]): readonly [string?, string?] {
  const plain = name.replaceAll(/[_-]/g, "").toLowerCase()
  const byPlainName = new Map(known.map(option => [option.toLowerCase(), option]))
  const same = byPlainName.get(plain)
  if (same !== undefined) return [same, `Here it is called ${same}.`]
  const plainNames = [...byPlainName.keys()]
  const other = otherNames.get(plain)?.toLowerCase() ?? ""
  const near =
    byPlainName.get(other) ??
    byPlainName.get(closestMatch(plain, plainNames, { maxDistance: Math.floor(plain.length / 3) }) ?? "") ??
    byPlainName.get(plainNames.find(option => isPartOf(plain, option) || isPartOf(option, plain)) ?? "")
  return near === undefined ? [] : [near, `Did you mean ${near}?`]
}

function isPartOf(part: string, whole: string): boolean {
  return part.length >= 4 && whole.includes(part)
}
