import * as v from "valibot"
import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { DIFFUSERS_VERSION } from "./diffusers-version.ts"
import { ConfigError } from "./errors.ts"
import { formatJson, type JsonObject, type JsonValue } from "./json.ts"
import { type Kind, parseValue } from "./kinds.ts"
import { type WarningHandler, warnOnce } from "./warnings.ts"

/** One key of a configuration; made by {@link key}. */
export interface Key<T> {
  readonly kind: Kind<T>
  readonly default: T
  readonly defaultJson: JsonValue
}

/** A rule between keys that some values break; `allowed` follows "must be" in the error. */
export interface Conflict<Values> {
  readonly key: keyof Values & string
  readonly allowed: string
}

/** What {@link defineConfig} needs to know about a class's configuration. */
export interface ConfigOptions<Values> {
  /** The name that the class has in Diffusers: `_class_name`. */
  readonly className: string
  /** The file that holds the configuration, as errors call it. */
  readonly fileName: string
  /** The keys by their camelCase names; files have them in snake_case. */
  readonly keys: { readonly [K in keyof Values]-?: Key<Values[K]> }
  /** Finds a rule between keys that the values break. */
  readonly conflict?: (values: Values) => Conflict<Values> | undefined
  /** snake_case keys of compatible classes: kept without a warning. */
  readonly compatibleKeys?: readonly string[]
}

/** The configuration of one class: its keys, their kinds and defaults. */
export interface ConfigSpec<Values> extends ConfigOptions<Values> {
  /** camelCase name → name in files. */
  readonly fileKeys: { readonly [K in keyof Values]-?: string }
}

/** What a configuration object remembers of where it came from; see {@link configInfo}. */
export interface ConfigInfo {
  /** The class that the configuration is for, as `_class_name` will say. */
  readonly className: string
  /** `_diffusers_version` of the file it was read from. */
  readonly diffusersVersion: string | undefined
  /** camelCase keys that were absent and hold their default; another class may put its own default there. */
  readonly usedDefaults: readonly string[]
  /** Entries that mean nothing to this class (snake_case); they survive a change of class and a save. */
  readonly foreign: JsonObject
}

/** Where a configuration is read from, and who hears of keys that nobody knows. */
export interface ReadConfigOptions {
  /** How errors and warnings call the file; by default its usual name. */
  readonly file?: string
  /** Default: each distinct warning once on the console. */
  readonly onWarning?: WarningHandler
}

interface ConfigRecord {
  readonly spec: unknown
  readonly info: ConfigInfo
  /** The known keys as they stand in files: here a number is still Python's int or float. */
  readonly json: JsonObject
}

const records = new WeakMap<object, ConfigRecord>()

/**
 * A configuration key: what it may hold, and its default. A `bigint` default of a {@link float} key is one that
 * Python writes as an int.
 */
export function key<T>(kind: Kind<T>, defaultValue: NoInfer<T> | bigint): Key<T> {
  return {
    kind,
    default: v.parse(kind.schema, defaultValue),
    defaultJson: kind.toJson(defaultValue),
  }
}

/**
 * Declares the configuration of a class: from it come the checks, the defaults and the file format.
 *
 * ```ts
 * const config = defineConfig<ScoreSdeVeConfig>({
 *   className: "ScoreSdeVeScheduler",
 *   fileName: "scheduler_config.json",
 *   keys: { numTrainTimesteps: key(int({ min: 2 }), 2000), snr: key(float({ above: 0 }), 0.15) },
 * })
 * ```
 */
export function defineConfig<Values>(options: ConfigOptions<Values>): ConfigSpec<Values> {
  const fileKeys = Object.fromEntries(Object.keys(options.keys).map(name => [name, snakeCase(name)]))
  return { ...options, fileKeys: fileKeys as ConfigSpec<Values>["fileKeys"] }
}

/**
 * Makes a frozen configuration from values in TypeScript. A configuration of the same class passes through.
 *
 * @throws ConfigError `INVALID_VALUE`
 */
export function createConfig<Values extends object>(
  spec: ConfigSpec<Values>,
  values: Partial<Values> = {},
): Readonly<Values> {
  if (records.get(values)?.spec === spec) return values as Readonly<Values>
  return build(spec, { overrides: values as Record<string, unknown>, where: spec.className })
}

/**
 * Makes a frozen configuration from a parsed file, from the configuration of another class, or from a plain object
 * with keys in snake_case or camelCase.
 *
 * As in Diffusers: absent keys take the defaults of this class, and so do keys that held only a default of the
 * other class; keys of other classes and `_`-keys are kept for a later save; unknown keys are kept too, with one
 * warning that lists them.
 *
 * @param overrides - Values in camelCase that replace those of `source`.
 * @throws ConfigError `INVALID_VALUE`
 */
export function readConfig<Values extends object>(
  spec: ConfigSpec<Values>,
  source: object,
  overrides: Partial<Values> = {},
  options: ReadConfigOptions = {},
): Readonly<Values> {
  const { file = spec.fileName, onWarning = warnOnce } = options
  const other = records.get(source)
  const entries: Record<string, unknown> =
    other === undefined
      ? { ...source }
      : { ...other.info.foreign, ...givenJson(other), _diffusers_version: other.info.diffusersVersion }
  const config = build(spec, { entries, overrides: overrides as Record<string, unknown>, where: file })

  if (other === undefined) {
    const compatible = new Set(spec.compatibleKeys)
    const unknown = Object.keys(configInfo(config).foreign).filter(
      name => !name.startsWith("_") && name !== "quantization_config" && !compatible.has(name),
    )
    if (unknown.length > 0) {
      onWarning(`${file} has keys that ${spec.className} does not know and ignores: ${unknown.join(", ")}.`)
    }
  }
  return config
}

/** What a configuration remembers of where it came from. Only for what `createConfig` and `readConfig` made. */
export function configInfo(config: object): ConfigInfo {
  return recordOf(config).info
}

/**
 * The JSON file of a configuration, byte for byte as Diffusers writes it: keys sorted, two spaces of indentation,
 * numbers as Python prints them, a newline at the end.
 */
export function formatConfig(
  config: object,
  { diffusersVersion = DIFFUSERS_VERSION }: { readonly diffusersVersion?: string } = {},
): string {
  const { info, json } = recordOf(config)
  const { _ignore_files, ...kept } = info.foreign
  return formatJson({ ...kept, ...json, _class_name: info.className, _diffusers_version: diffusersVersion })
}

interface Sources {
  /** By file name or camelCase name. */
  readonly entries?: Record<string, unknown>
  /** By camelCase name; they go before `entries`, and there must be no others. */
  readonly overrides?: Record<string, unknown>
  readonly where: string
}

function build<Values extends object>(spec: ConfigSpec<Values>, sources: Sources): Readonly<Values> {
  const { overrides = {}, where } = sources
  const { _class_name, _diffusers_version, _use_default_values, ...entries } = sources.entries ?? {}
  checkClassName(_class_name, where)
  const ignored = new Set(Array.isArray(_use_default_values) ? _use_default_values : [])

  const values: Record<string, unknown> = {}
  const json: Record<string, JsonValue> = {}
  const usedDefaults: string[] = []
  const usedNames: Record<string, string> = {}
  const own = new Set<string>()
  for (const [name, { kind, ...defaults }] of Object.entries<Key<unknown>>(spec.keys)) {
    const fileKey: string = spec.fileKeys[name as keyof Values]
    own.add(name).add(fileKey)
    const [usedName, given] = ignored.has(fileKey)
      ? firstGiven([overrides, name])
      : firstGiven([overrides, name], [entries, fileKey], [entries, name])
    usedNames[name] = usedName
    if (given === undefined) {
      usedDefaults.push(name)
      values[name] = defaults.default
      json[fileKey] = defaults.defaultJson
    } else {
      values[name] = parseValue(kind, given, `${where}: ${usedName}`)
      json[fileKey] = kind.toJson(given)
    }
  }
  const unknownOverride = Object.keys(overrides).find(name => !Object.hasOwn(spec.keys, name))
  if (unknownOverride !== undefined) {
    throw new ConfigError("INVALID_VALUE", `${spec.className} has no option "${unknownOverride}".`, {
      hint: `Its options are ${Object.keys(spec.keys).join(", ")}.`,
    })
  }

  const conflict = spec.conflict?.(values as Values)
  if (conflict !== undefined) {
    const found = describeValue(values[conflict.key])
    const name = usedNames[conflict.key] ?? conflict.key
    throw new ConfigError("INVALID_VALUE", `${where}: ${name} is ${found}, but must be ${conflict.allowed}.`)
  }

  const config = Object.freeze(values) as Readonly<Values>
  const foreign = Object.fromEntries(Object.entries(entries).filter(([name]) => !own.has(name)))
  records.set(config, {
    spec,
    json,
    info: Object.freeze({
      className: spec.className,
      diffusersVersion: typeof _diffusers_version === "string" ? _diffusers_version : undefined,
      usedDefaults: Object.freeze(usedDefaults),
      foreign: Object.freeze(foreign as JsonObject),
    }),
  })
  return config
}

/** Files of custom pipelines hold a pair; anything else than a name or a pair is a broken file. */
function checkClassName(className: unknown, where: string): void {
  if (className !== undefined && typeof className !== "string" && !Array.isArray(className)) {
    const found = describeValue(className)
    throw new ConfigError(
      "INVALID_VALUE",
      `${where}: _class_name is ${found}, but must be the name of a class.`,
    )
  }
}

function firstGiven(...places: [Record<string, unknown>, string][]): [string, unknown] {
  const last = places.at(-1)!
  const [values, name] =
    places.find(([object, name]) => Object.hasOwn(object, name) && object[name] !== undefined) ?? last
  return [name, Object.hasOwn(values, name) ? values[name] : undefined]
}

/** What was given for the known keys, without what only was a default. */
function givenJson({ json, info }: ConfigRecord): JsonObject {
  const absent = new Set(info.usedDefaults.map(snakeCase))
  return Object.fromEntries(Object.entries(json).filter(([name]) => !absent.has(name)))
}

function recordOf(config: object): ConfigRecord {
  const record = records.get(config)
  if (record === undefined) {
    throw new InputError("INVALID_ARGUMENT", "The object is not a configuration that this library made.", {
      hint: "A copy of a configuration is a plain object; read it with `fromConfig`.",
    })
  }
  return record
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, capital => `_${capital.toLowerCase()}`)
}
