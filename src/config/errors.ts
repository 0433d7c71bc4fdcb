import { ScoreSdeError } from "../errors.ts"

/**
 * A configuration file, or the values given in its place, cannot be used.
 *
 * - `INVALID_JSON`: not JSON, or not a JSON object
 * - `TOO_LARGE`: longer, or nested deeper, than any configuration is
 * - `INVALID_VALUE`: a key holds a value of the wrong type or out of range
 * - `UNKNOWN_CLASS`: `_class_name` names a class that this library does not have
 */
export class ConfigError extends ScoreSdeError<
  "INVALID_JSON" | "TOO_LARGE" | "INVALID_VALUE" | "UNKNOWN_CLASS"
> {
  override readonly name: string = "ConfigError"
}
