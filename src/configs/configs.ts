import { ConfigError } from "../config/errors.ts"
import { formatJson, isJsonObject, type JsonObject, type JsonValue } from "../config/json.ts"
import { type Kind, oneOf, parseValue } from "../config/kinds.ts"
import { describeValue } from "../describe-value.ts"
import { findConflict } from "./conflicts.ts"
import { defaultLayers, experimentLayers } from "./layers.ts"
import type { ScoreSdeConfigName } from "./names.ts"
import { modelOptions, sectionOptions, seedOption, unreadOptions } from "./options.ts"
import type { ConfigChanges, ScoreSdeConfig } from "./score-sde-config.ts"

/** The names of score_sde's configurations. */
export const scoreSdeConfigNames: readonly ScoreSdeConfigName[] = Object.keys(
  experimentLayers,
) as ScoreSdeConfigName[]

/** Whether score_sde has a configuration of that name. */
export function isScoreSdeConfigName(name: string): name is ScoreSdeConfigName {
  return Object.hasOwn(experimentLayers, name)
}

/**
 * One of score_sde's configurations, with the faults of the original corrected.
 *
 * ```ts
 * scoreSdeConfig("ve/cifar10_ncsnpp_continuous", { data: { imageSize: 64 } })
 * ```
 *
 * @param changes options that replace those of the configuration.
 * @throws ConfigError `INVALID_VALUE`
 */
export function scoreSdeConfig(name: ScoreSdeConfigName, changes: ConfigChanges = {}): ScoreSdeConfig {
  return completed([...layersOf(name, "scoreSdeConfig"), changes], name)
}

/**
 * A user's own configuration, from the object of a JSON file: the sections and options of score_sde by their names
 * there. `base` can name a configuration, or one of the defaults such as `default_cifar10_configs`, that has what the
 * file leaves out.
 *
 * ```json
 * { "base": "ve/cifar10_ncsnpp_continuous", "data": { "dataset": "birds" }, "model": { "sigma_max": 40 } }
 * ```
 *
 * @throws ConfigError `INVALID_VALUE` for an unknown section, option or base, a missing option, a value of the wrong
 * kind, and options that contradict each other.
 */
export function readScoreSdeConfig(
  json: JsonObject,
  { file = "The configuration" }: { readonly file?: string } = {},
): ScoreSdeConfig {
  const { base, ...sections } = json
  return completed(
    [...(base === undefined ? [] : layersOf(base, `${file}: base`)), changesFrom(sections, file)],
    file,
  )
}

/** The JSON file of a configuration, as {@link readScoreSdeConfig} takes it. */
export function formatScoreSdeConfig(config: ScoreSdeConfig): string {
  return formatJson(scoreSdeConfigJson(config))
}

/** A configuration as an object of a JSON file. */
export function scoreSdeConfigJson(config: ScoreSdeConfig): JsonObject {
  const sections: Record<string, JsonValue> = { seed: seedOption.toJson(config.seed) }
  for (const [section, values] of Object.entries(config)) {
    if (section === "seed") continue
    const options = optionsOf(section, config.model.name)
    sections[section] = Object.fromEntries(
      Object.entries(values as object).map(([key, value]) => [snakeCase(key), options[key]!.toJson(value)]),
    )
  }
  return sections
}

function layersOf(name: unknown, where: string): readonly ConfigChanges[] {
  const known: Readonly<Record<string, readonly ConfigChanges[]>> = { ...experimentLayers, ...defaultLayers }
  if (typeof name === "string" && Object.hasOwn(known, name)) return known[name]!
  throw new ConfigError("INVALID_VALUE", `${where}: there is no configuration ${describeValue(name)}.`, {
    hint: `There are ${Object.keys(known).join(", ")}.`,
  })
}

type Kinds = Readonly<Record<string, Kind<unknown>>>

// Which options a network has is not known before all layers are there, so a file may have those of any.
const fileOptions: Readonly<Record<string, Kinds>> = {
  ...sectionOptions,
  model: Object.assign({}, ...Object.values(modelOptions)),
}

function changesFrom(json: JsonObject, file: string): ConfigChanges {
  const changes: Record<string, unknown> = {}
  for (const [section, options] of Object.entries(json)) {
    if (section === "seed") {
      changes.seed = options
    } else if (!Object.hasOwn(fileOptions, section)) {
      throw new ConfigError("INVALID_VALUE", `${file} has an unknown section "${section}".`, {
        hint: `There are ${[...Object.keys(fileOptions), "seed"].join(", ")}.`,
      })
    } else if (!isJsonObject(options)) {
      throw new ConfigError(
        "INVALID_VALUE",
        `${file}: ${section} is ${describeValue(options)}, but must be an object with options.`,
      )
    } else {
      changes[section] = sectionChanges(section, options, file)
    }
  }
  return changes as ConfigChanges
}

function sectionChanges(section: string, options: JsonObject, file: string): Record<string, unknown> {
  const names = new Map(Object.keys(fileOptions[section]!).map(key => [snakeCase(key), key]))
  const changes: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const path = `${section}.${name}`
    const key = names.get(name)
    if (key !== undefined) changes[key] = value
    else if (unreadOptions.has(path)) checkUnread(path, value, file)
    else {
      throw new ConfigError("INVALID_VALUE", `${file} has an unknown option ${path}.`, {
        hint: `The options of ${section} are ${[...names.keys()].join(", ")}.`,
      })
    }
  }
  return changes
}

function checkUnread(path: string, value: unknown, file: string): void {
  const kind = unreadOptions.get(path)
  if (kind) parseValue(kind, value, `${file}: ${path}`)
}

function completed(layers: readonly ConfigChanges[], where: string): ScoreSdeConfig {
  const merged: Record<string, Record<string, unknown>> = {}
  let seed: unknown
  for (const { seed: given = seed, ...sections } of layers) {
    seed = given
    for (const [section, options] of Object.entries(sections)) {
      merged[section] = { ...merged[section], ...options }
    }
  }
  const name = required(oneOf(Object.keys(modelOptions)), merged.model?.name, `${where}: model.name`)
  const config: Record<string, unknown> = {}
  for (const section of [...Object.keys(sectionOptions), "model"]) {
    const values: Record<string, unknown> = {}
    for (const [key, kind] of Object.entries(optionsOf(section, name))) {
      const value = merged[section]?.[key]
      values[key] = required(kind, value, `${where}: ${section}.${snakeCase(key)}`)
    }
    config[section] = Object.freeze(values)
  }
  config.seed = required(seedOption, seed, `${where}: seed`)
  const complete = Object.freeze(config) as unknown as ScoreSdeConfig
  const conflict = findConflict(complete)
  if (conflict) throw new ConfigError("INVALID_VALUE", `${where}: ${conflict.option} ${conflict.problem}.`)
  return complete
}

function required<T>(kind: Kind<T>, value: unknown, where: string): T {
  if (value !== undefined) return parseValue(kind, value, where)
  throw new ConfigError("INVALID_VALUE", `${where} is missing.`, {
    hint: `Give ${kind.allowed}, or a "base" that has it.`,
  })
}

function optionsOf(section: string, model: string): Kinds {
  return section === "model" ? modelOptions[model as keyof typeof modelOptions] : sectionOptions[section]!
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, capital => `_${capital.toLowerCase()}`)
}
