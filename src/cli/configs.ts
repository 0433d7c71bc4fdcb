import { readFile, statFile } from "#platform/files"
import { parseJsonObject } from "../config/json.ts"
import {
  formatScoreSdeConfig,
  isScoreSdeConfigName,
  readScoreSdeConfig,
  scoreSdeConfig,
  scoreSdeConfigNames,
} from "../configs/configs.ts"
import type { ScoreSdeConfigName } from "../configs/names.ts"
import type { ScoreSdeConfig } from "../configs/score-sde-config.ts"
import { InputError } from "../errors.ts"
import { publishedLines } from "../pipelines/score-sde-card.ts"

const maxConfigBytes = 2 ** 20

/** `score-sde configs`: a table, or one configuration as JSON. */
export async function showConfigs(name: string | undefined): Promise<void> {
  if (name !== undefined) {
    const config = await configArgument(name)
    process.stdout.write(formatScoreSdeConfig(typeof config === "string" ? scoreSdeConfig(config) : config))
    return
  }
  const longest = Math.max(...scoreSdeConfigNames.map(({ length }) => length))
  for (const known of scoreSdeConfigNames) {
    const { model, data } = scoreSdeConfig(known)
    const size = `${data.imageSize} px`.padStart(7)
    console.log(
      `${known.padEnd(longest)}  ${model.name.padEnd(10)}  ${size}  ${publishedLines(known).join(", ")}`.trimEnd(),
    )
  }
}

/**
 * A configuration of score_sde by its name, or a user's own from a JSON file.
 *
 * @throws InputError for neither; ConfigError, FileError.
 */
export async function configArgument(nameOrFile: string): Promise<ScoreSdeConfigName | ScoreSdeConfig> {
  if (isScoreSdeConfigName(nameOrFile)) return nameOrFile
  if ((await statFile(nameOrFile)) === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `"${nameOrFile}" is neither a configuration of score_sde nor a file.`,
      { hint: "score-sde configs lists the names." },
    )
  }
  const text = await readFile(nameOrFile, { maxBytes: maxConfigBytes })
  return readScoreSdeConfig(parseJsonObject(text, { file: nameOrFile }), { file: nameOrFile })
}
