import { parse } from "lossless-json"
import * as v from "valibot"
import { WeightsError } from "./errors.ts"

/** Which shard holds each tensor: `…safetensors.index.json`, `…bin.index.json`. */
export interface ShardIndex {
  /** File names of the shards, each once, in the order of their first mention. */
  readonly shards: readonly string[]
  /** The shard of each tensor. */
  readonly weightMap: ReadonlyMap<string, string>
}

const schema = v.object({ weight_map: v.record(v.string(), v.string()) })

/**
 * Reads the index of a sharded checkpoint.
 *
 * @param fileName What errors call the index.
 * @throws WeightsError `MALFORMED`; `UNSAFE_PATH` for a shard that is not a plain file name beside the index.
 */
export function parseShardIndex(fileName: string, text: string): ShardIndex {
  let json: unknown
  try {
    json = parse(text, undefined, { parseNumber: Number })
  } catch (cause) {
    throw new WeightsError("MALFORMED", `${fileName} is not JSON: ${(cause as Error).message}.`, { cause })
  }
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) {
    throw new WeightsError(
      "MALFORMED",
      `${fileName} is no index of shards: its weight_map is not a map of tensor names to file names.`,
    )
  }
  const weightMap = new Map(Object.entries(parsed.output.weight_map))
  const shards = [...new Set(weightMap.values())]
  for (const shard of shards) {
    if (shard === "" || shard === "." || shard === ".." || /[/\\:\0]/.test(shard)) {
      throw new WeightsError(
        "UNSAFE_PATH",
        `${fileName} names the shard "${shard}", which is not a file beside it.`,
      )
    }
  }
  return { shards, weightMap }
}
