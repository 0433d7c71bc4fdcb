import * as v from "valibot"
import { describeValue } from "../describe-value.ts"
import { ConfigError } from "./errors.ts"
import {
  formatJson,
  type JsonObject,
  type JsonValue,
  type ParseJsonOptions,
  parseJsonObject,
} from "./json.ts"
import { either, list, nullable, pair, parseValue, string } from "./kinds.ts"

/** The class of a component, as `model_index.json` names it. */
export interface ComponentReference {
  /** `diffusers` for its own classes; other libraries, and files in the repository, occur. */
  readonly library: string
  readonly className: string
}

/** A `model_index.json`: which pipeline a repository holds, and of what it is made. */
export interface ModelIndex {
  /** The pipeline's class; undefined where the file has none. */
  readonly className: string | undefined
  /** The Python file in the repository that defines a custom pipeline's class. It is never run. */
  readonly customModule?: string
  /** The version of Diffusers that wrote the file; old files have none. */
  readonly diffusersVersion: string | undefined
  /** The components by name; null for an optional one that is absent. */
  readonly components: ReadonlyMap<string, ComponentReference | null>
  /** The pipeline's other arguments. */
  readonly scalars: JsonObject
  /** Files that a download leaves out. Not written back, as in Diffusers. */
  readonly ignoreFiles: readonly string[]
  /** Other keys that start with `_`. */
  readonly metadata: JsonObject
}

const pipelineClass = either(string(), pair(string()))
const version = nullable(string())
const fileList = list(string())
const present = v.strictTuple([v.string(), v.string()])
const absent = v.strictTuple([v.null(), v.unknown()])

/** Diffusers drops these when it saves. */
const notSaved = new Set(["_module", "_name_or_path"])

/**
 * Reads a `model_index.json`.
 *
 * @throws ConfigError `INVALID_JSON`, `TOO_LARGE`, `INVALID_VALUE`
 */
export function parseModelIndex(source: string | Uint8Array, options: ParseJsonOptions = {}): ModelIndex {
  const file = options.file ?? "model_index.json"
  const json = parseJsonObject(source, { ...options, file })
  const {
    _class_name: pipeline = null,
    _diffusers_version: writer = null,
    _ignore_files: ignored = [],
    ...entries
  } = json
  const name = parseValue(nullable(pipelineClass), pipeline, `${file}: _class_name`) ?? undefined
  const components = new Map<string, ComponentReference | null>()
  const scalars: [string, JsonValue][] = []
  const metadata: [string, JsonValue][] = []
  for (const [key, value] of Object.entries(entries)) {
    if (key.startsWith("_")) {
      if (!notSaved.has(key)) metadata.push([key, value])
    } else if (v.is(present, value)) {
      components.set(checkName(key, file), { library: value[0], className: value[1] })
    } else if (v.is(absent, value)) {
      components.set(checkName(key, file), null)
    } else {
      scalars.push([key, value])
    }
  }
  return {
    ...(typeof name === "object" ? { customModule: name[0], className: name[1] } : { className: name }),
    diffusersVersion: parseValue(version, writer, `${file}: _diffusers_version`) ?? undefined,
    components,
    scalars: Object.fromEntries(scalars),
    ignoreFiles: parseValue(fileList, ignored, `${file}: _ignore_files`),
    metadata: Object.fromEntries(metadata),
  }
}

/** Writes a `model_index.json`, byte for byte as Diffusers does. */
export function formatModelIndex(index: ModelIndex): string {
  const { className, customModule, diffusersVersion, components, scalars, metadata } = index
  const pairs = [...components].map(([component, reference]): [string, JsonValue] => [
    component,
    reference === null ? [null, null] : [reference.library, reference.className],
  ])
  return formatJson({
    ...metadata,
    ...scalars,
    ...Object.fromEntries(pairs),
    ...(className !== undefined && {
      _class_name: customModule === undefined ? className : [customModule, className],
    }),
    ...(diffusersVersion !== undefined && { _diffusers_version: diffusersVersion }),
  })
}

/** A component's name is also the name of its folder: it must not lead anywhere else. */
function checkName(component: string, file: string): string {
  if (/^[A-Za-z]\w*$/.test(component)) return component
  throw new ConfigError(
    "INVALID_VALUE",
    `${file}: ${describeValue(component)} is not the name of a component.`,
    { hint: "Names of components are made of letters, digits and underscores." },
  )
}
