import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { isScoreSdeConfigName, scoreSdeConfig, scoreSdeConfigNames } from "../../src/configs/configs.ts"
import { defaultLayers } from "../../src/configs/layers.ts"
import type { DefaultsName } from "../../src/configs/names.ts"
import { upstreamFaults } from "../../src/configs/upstream-faults.ts"

interface ConfigCase {
  readonly name: string
  readonly options: number
  readonly hash: string
}

const url = new URL("../fixtures/score-sde/configs.json", import.meta.url)
const cases: readonly ConfigCase[] = JSON.parse(readFileSync(url, "utf8")).cases

describe("every option is the original's, but for the listed faults", () => {
  test.each(cases)("$name", ({ name, options, hash }) => {
    const lines = originalLines(name)
    expect(lines).toHaveLength(options)
    expect(hashOf(lines)).toBe(hash)
  })

  test("all of the original's are there", () => {
    const names = cases.map(({ name }) => name).filter(name => !name.startsWith("default_"))
    expect([...scoreSdeConfigNames].sort()).toEqual(names.sort())
    expect(names).toHaveLength(39)
  })
})

test("a listed fault differs from what stands in its place", () => {
  for (const { config, option, original, corrected } of upstreamFaults) {
    expect(original).not.toEqual(corrected)
    expect(flat(scoreSdeConfig(config)).get(option)).toEqual(corrected)
  }
})

// The options as the original has them, one a line.
function originalLines(name: string): readonly string[] {
  const options = new Map<string, unknown>()
  if (isScoreSdeConfigName(name)) {
    for (const [option, value] of flat(scoreSdeConfig(name))) options.set(option, value)
    for (const { config, option, original } of upstreamFaults)
      if (config === name) options.set(option, original)
    if (options.get("model.embedding_type") !== "fourier") options.delete("model.fourier_scale")
    options.delete("model.convention")
  } else {
    for (const layer of defaultLayers[name as DefaultsName]) {
      for (const [option, value] of flat(layer)) options.set(option, value)
    }
    options.delete("sampling.method")
  }
  return [...options]
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([option, value]) => `${option}=${text(value)}`)
    .sort()
}

function flat(config: object): Map<string, unknown> {
  const options = new Map<string, unknown>()
  for (const [section, values] of Object.entries(config)) {
    if (typeof values === "number") options.set(section, values)
    else for (const [key, value] of Object.entries(values)) options.set(`${section}.${snakeCase(key)}`, value)
  }
  return options
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join()
  return typeof value === "number" ? value.toExponential(6) : String(value)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, capital => `_${capital.toLowerCase()}`)
}

function hashOf(lines: readonly string[]): string {
  return createHash("sha256")
    .update(lines.map(line => `${line}\n`).join(""))
    .digest("hex")
}
