import { readFileSync } from "node:fs"
import { parseJsonObject } from "../../../src/config/json.ts"
import { readScoreSdeConfig } from "../../../src/configs/configs.ts"
import type { ScoreSdeConfig } from "../../../src/configs/score-sde-config.ts"

/** The folder with the checkpoints that make.py there wrote. */
export const checkpointFolder: URL = new URL("../../fixtures/score-sde-checkpoints/", import.meta.url)

export function checkpointBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(name, checkpointFolder)))
}

function readJson(name: string) {
  return parseJsonObject(readFileSync(new URL(name, checkpointFolder), "utf8"))
}

/** The configuration of those checkpoints; `changes` are options as files have them, by section. */
export function checkpointConfig(changes: Readonly<Record<string, object>> = {}): ScoreSdeConfig {
  const json = readJson("config.json")
  const merged = Object.entries(changes).map(([section, options]) => [
    section,
    { ...(json[section] as object), ...options },
  ])
  return readScoreSdeConfig({ ...json, ...Object.fromEntries(merged) })
}

/** What the network returns for two pictures by the fixtures' formula, with either weights. */
export const checkpointOutputs = readJson("outputs.json") as unknown as {
  readonly labels: readonly number[]
  readonly averaged: readonly number[]
  readonly raw: readonly number[]
}

/** The largest difference, as a share of the largest value. */
export function relativeError(found: ArrayLike<number>, expected: readonly number[]): number {
  if (found.length !== expected.length)
    throw new Error(`${found.length} values instead of ${expected.length}`)
  const largest = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest
}
