import { parse } from "lossless-json"
import { describeValue } from "../describe-value.ts"
import { ConfigError } from "./errors.ts"
import { formatPythonFloat } from "./python-float.ts"

/**
 * A JSON value as Python sees it: a number without fraction and exponent is an int and arrives as a `bigint`,
 * any other number is a float and arrives as a `number`. So `1348` and `1348.0` stay what they were.
 */
export type JsonValue = null | boolean | string | number | bigint | readonly JsonValue[] | JsonObject

/** A JSON object; see {@link JsonValue}. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Bounds for {@link parseJson}, and the name of the file for its errors. */
export interface ParseJsonOptions {
  /** How errors call the text. */
  readonly file?: string
  /** The longest text in bytes (in characters, for a string). Default 10 MB. */
  readonly maxLength?: number
  /** The deepest nesting of lists and objects. Default 64. */
  readonly maxDepth?: number
}

/** No integer that a configuration means has more digits; Python's own limit is 4300. */
const MAX_NUMBER_LENGTH = 400

/**
 * Reads JSON as Python's `json.loads` does: the last of equal keys wins, `Infinity` and `-Infinity` are numbers.
 * Only `NaN` is refused.
 *
 * @throws ConfigError `INVALID_JSON`, `TOO_LARGE`
 */
export function parseJson(source: string | Uint8Array, options: ParseJsonOptions = {}): JsonValue {
  const { file = "The text", maxLength = 10_000_000, maxDepth = 64 } = options
  if (source.length > maxLength) {
    throw new ConfigError("TOO_LARGE", `${file} has ${source.length} bytes; at most ${maxLength} are read.`)
  }
  try {
    const text =
      typeof source === "string"
        ? source
        : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source)
    return parse(withoutInfinities(text, file, maxDepth), null, {
      parseNumber,
      onDuplicateKey: ({ newValue }) => newValue,
    }) as JsonValue
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const reason = error instanceof SyntaxError ? `: ${error.message}` : ""
    throw new ConfigError("INVALID_JSON", `${file} is not valid JSON${reason}.`, { cause: error })
  }
}

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws ConfigError `INVALID_JSON`, `TOO_LARGE`
 */
export function parseJsonObject(source: string | Uint8Array, options: ParseJsonOptions = {}): JsonObject {
  const value = parseJson(source, options)
  if (!isJsonObject(value)) {
    throw new ConfigError(
      "INVALID_JSON",
      `${options.file ?? "The text"} holds ${describeValue(value)}, but must hold a JSON object.`,
    )
  }
  return value
}

/** Whether a JSON value is an object. */
export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/**
 * Writes JSON byte for byte as Python's `json.dumps(value, indent=2, sort_keys=True)` followed by a newline, as
 * Diffusers writes its configurations.
 */
export function formatJson(value: JsonValue): string {
  return `${formatValue(value, "\n")}\n`
}

function formatValue(value: JsonValue, newline: string): string {
  if (typeof value === "bigint") return value.toString()
  if (typeof value === "number") return formatPythonFloat(value)
  if (typeof value === "string") return formatString(value)
  if (typeof value !== "object" || value === null) return String(value)

  const indented = `${newline}  `
  if (isJsonObject(value)) {
    const members = Object.keys(value)
      .sort()
      .map(key => `${formatString(key)}: ${formatValue(value[key]!, indented)}`)
    return members.length === 0 ? "{}" : `{${indented}${members.join(`,${indented}`)}${newline}}`
  }
  const items = value.map(item => formatValue(item, indented))
  return items.length === 0 ? "[]" : `[${indented}${items.join(`,${indented}`)}${newline}]`
}

/** Python escapes everything outside of printable ASCII. */
function formatString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

function parseNumber(text: string): number | bigint {
  if (text.length > MAX_NUMBER_LENGTH) {
    throw new SyntaxError(`A number of ${text.length} characters is too long`)
  }
  return /[.eE]/.test(text) ? Number(text) : BigInt(text)
}

/**
 * Writes Python's `Infinity` as a number that is too large for a float, and bounds the nesting before the
 * recursive parser sees it.
 */
function withoutInfinities(text: string, file: string, maxDepth: number): string {
  let result = ""
  let copied = 0
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '"') {
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++
    } else if (character === "[" || character === "{") {
      if (++depth > maxDepth) {
        throw new ConfigError("TOO_LARGE", `${file} nests lists and objects more than ${maxDepth} deep.`)
      }
    } else if (character === "]" || character === "}") {
      depth--
    } else if (character === "I" && text.startsWith("Infinity", i) && !/[\w.]/.test(text[i - 1] ?? "")) {
      result += `${text.slice(copied, i)}1e999`
      copied = i + "Infinity".length
      i = copied - 1
    }
  }
  return result + text.slice(copied)
}
