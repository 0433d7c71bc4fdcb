import * as v from "valibot"
import { describeValue } from "../describe-value.ts"
import { ConfigError } from "./errors.ts"
import type { JsonValue } from "./json.ts"

/** What a configuration key may hold: how it is checked, read, written and named in errors. */
export interface Kind<T> {
  /** Checks a JSON value, or a value given by a caller, and reads it. */
  readonly schema: v.GenericSchema<unknown, T>
  /** What is allowed, to follow "must be" in errors. */
  readonly allowed: string
  /** The JSON form of a value that passed `schema`. */
  toJson(value: unknown): JsonValue
}

/** Bounds of a number. */
export interface NumberBounds {
  /** The least value allowed. */
  readonly min?: number
  /** The greatest value allowed. */
  readonly max?: number
  /** All allowed values are greater than this. */
  readonly above?: number
  /** All allowed values are less than this. */
  readonly below?: number
}

/** A Python int. */
export function int(bounds: NumberBounds = {}): Kind<number> {
  return {
    schema: v.pipe(numberSchema, v.safeInteger(), v.check(inBounds(bounds))),
    allowed: `a whole number${describeBounds(bounds)}`,
    toJson: value => BigInt(value as number | bigint),
  }
}

/** A Python float. One that a file wrote as an int is kept as one. */
export function float(bounds: NumberBounds = {}): Kind<number> {
  return {
    schema: v.pipe(numberSchema, v.finite(), v.check(inBounds(bounds))),
    allowed: `a number${describeBounds(bounds)}`,
    toJson: value => value as number | bigint,
  }
}

/** `true` or `false`. */
export function bool(): Kind<boolean> {
  return { schema: v.boolean(), allowed: "true or false", toJson: value => value as boolean }
}

/** Any text. */
export function string(): Kind<string> {
  return { schema: v.string(), allowed: "a string", toJson: value => value as string }
}

/** One of a few strings. */
export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    schema: v.picklist(values),
    allowed: `one of ${values.map(value => `"${value}"`).join(", ")}`,
    toJson: value => value as T,
  }
}

/** `kind`, or Python's `None`. */
export function nullable<T>(kind: Kind<T>): Kind<T | null> {
  return {
    schema: v.nullable(kind.schema),
    allowed: `${kind.allowed}, or null`,
    toJson: value => (value === null ? null : kind.toJson(value)),
  }
}

/** A list (or Python tuple) of any length from `minLength` to `maxLength`. */
export function list<T>(
  kind: Kind<T>,
  { minLength = 0, maxLength = 1_000_000 }: { readonly minLength?: number; readonly maxLength?: number } = {},
): Kind<readonly T[]> {
  const length = minLength > 0 ? ` of ${minLength} to ${maxLength} items` : ""
  return {
    schema: v.pipe(
      v.array(v.unknown()),
      v.minLength(minLength),
      v.maxLength(maxLength),
      v.array(kind.schema),
      v.transform((items): readonly T[] => Object.freeze(items)),
    ),
    allowed: `a list${length}, each ${kind.allowed}`,
    toJson: value => (value as unknown[]).map(item => kind.toJson(item)),
  }
}

/** A list (or Python tuple) of two. */
export function pair<T>(kind: Kind<T>): Kind<readonly [T, T]> {
  return {
    schema: v.pipe(
      v.strictTuple([kind.schema, kind.schema]),
      v.transform((items): readonly [T, T] => Object.freeze(items)),
    ),
    allowed: `a list of two, each ${kind.allowed}`,
    toJson: value => (value as unknown[]).map(item => kind.toJson(item)),
  }
}

/** `first`, or else `second`. */
export function either<A, B>(first: Kind<A>, second: Kind<B>): Kind<A | B> {
  return {
    schema: v.union([first.schema, second.schema]),
    allowed: `${first.allowed}, or ${second.allowed}`,
    toJson: value => (v.is(first.schema, value) ? first : second).toJson(value),
  }
}

/**
 * Checks and reads a value.
 *
 * @param where - How errors call the value: its file and key.
 * @throws ConfigError `INVALID_VALUE`
 */
export function parseValue<T>(kind: Kind<T>, value: unknown, where: string): T {
  const result = v.safeParse(kind.schema, value)
  if (result.success) return result.output
  const path = result.issues[0].path ?? []
  const item = path.map(({ key }) => `[${String(key)}]`).join("")
  const found = describeValue(path.length === 0 ? value : path.at(-1)!.value)
  throw new ConfigError("INVALID_VALUE", `${where}${item} is ${found}, but must be ${kind.allowed}.`)
}

const numberSchema = v.pipe(v.union([v.number(), v.bigint()]), v.transform(Number))

function inBounds({ min, max, above, below }: NumberBounds): (value: number) => boolean {
  return value =>
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
}

function describeBounds({ min, max, above, below }: NumberBounds): string {
  const parts = [
    min !== undefined && `from ${min}`,
    above !== undefined && `greater than ${above}`,
    max !== undefined && `up to ${max}`,
    below !== undefined && `less than ${below}`,
  ].filter(part => part !== false)
  return parts.length === 0 ? "" : ` ${parts.join(" and ").replace(/^(from \S+) and (up to)/, "$1 $2")}`
}
