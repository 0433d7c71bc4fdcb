/**
 * Compares score_sde's networks and configurations with numbers that were computed with the original.
 *
 *     npx tsx test/parity/score-sde.ts FOLDER [--only PATTERN]
 *
 * FOLDER (or the environment's SCORE_SDE_REFERENCE) holds `golden/score-sde/*.json`, `score-sde-state-dicts/*.tsv` and
 * `score-sde-configs.json`; test/fixtures/score-sde has excerpts. Networks of 256 and 1024 pixels take half a minute
 * and up to 4 GB each.
 */
import { readdir, readFile } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { argv, env } from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { isJsonObject, parseJsonObject } from "../../src/config/json.ts"
import {
  formatScoreSdeConfig,
  isScoreSdeConfigName,
  scoreSdeConfig,
  scoreSdeConfigNames,
} from "../../src/configs/configs.ts"
import { upstreamFaults } from "../../src/configs/upstream-faults.ts"
import { foldParameters } from "../../src/graph/optimize/fold-parameters.ts"
import type { WeightSource } from "../../src/graph/weight-layout.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import {
  checkpointTensors,
  type ScoreNetworkConfig,
  scoreNetworkGraph,
} from "../../src/models/score-network.ts"
import { modelOf, runModel } from "../graph/run-graph.ts"
import { camelCase, hashInput, hashWeights } from "../models/score-sde/case.ts"
import { atMost, type Check, type Finding, same } from "./check.ts"

/** Of an output's largest value; or three times the reference's own rounding, where that is more. */
const networkLimit = 1e-4

/** The comparisons with the numbers in `folder`. */
export async function scoreSdeChecks(folder: string): Promise<readonly Check[]> {
  const golden = join(folder, "golden", "score-sde")
  const files = (await readdir(golden)).filter(name => /^(tiny_)?networks.*\.json$/.test(name))
  const networks: Check[] = []
  for (const file of files.sort()) {
    const entries: Entry[] = JSON.parse(await readFile(join(golden, file), "utf8")).entries
    const own = entries.filter(entry => entry.same_network_as === undefined)
    networks.push(...own.map(entry => networkCheck(basename(file, ".json"), entry)))
  }
  const lists = (await readdir(join(folder, "score-sde-state-dicts"))).sort()
  return [
    { name: "configs", run: () => compareConfigs(join(folder, "score-sde-configs.json")) },
    ...lists.map(file => tensorsCheck(join(folder, "score-sde-state-dicts", file))),
    ...networks,
  ].filter(check => check !== undefined)
}

interface Entry {
  readonly name?: string
  readonly config: string | { readonly model: object; readonly [key: string]: unknown }
  readonly same_network_as?: string
  readonly n_tensors: number
  readonly param_count: number
  readonly labels: readonly number[]
  readonly input_shape: readonly number[]
  readonly stats: { readonly mean: number; readonly absmax: number }
  readonly max_abs_diff_to_float64_run?: number
  /** The whole output, that of the first picture, or 512 elements of it. */
  readonly output?: readonly number[]
  readonly output_sample0?: readonly number[]
  readonly output_512?: readonly number[]
}

function networkCheck(file: string, entry: Entry): Check {
  return {
    name: `score-sde network ${file} ${entry.name ?? entry.config}`,
    async *run() {
      const graph = scoreNetworkGraph(networkConfig(entry.config))
      const shapes = parameterShapes(graph)
      const { labels, input_shape: shape, stats, n_tensors, max_abs_diff_to_float64_run: noise = 0 } = entry
      yield same("number of tensors", shapes.size === n_tensors ? undefined : `${shapes.size}`)
      const weights = file.endsWith("_hash") ? hashWeights(shapes) : sineWeights(shapes)
      const count = shape.reduce((a, b) => a * b, 1)
      const { out_sample: output } = await runModel(await modelOf(foldParameters(graph), weights), {
        sample: { dtype: "float32", shape, data: hashInput(count) },
        timestep: { dtype: "float32", shape: [labels.length], data: Float32Array.from(labels) },
      })
      const y = output!.data as Float32Array
      const expected = entry.output ?? entry.output_sample0 ?? entry.output_512!
      const at = (i: number): number => y[entry.output_512 ? Math.floor((i * count) / 512) : i]!
      const difference = Math.max(...expected.map((value, i) => Math.abs(value - at(i))))
      const limit = Math.max(networkLimit, (3 * noise) / stats.absmax)
      yield atMost(`${expected.length} elements`, difference / stats.absmax, limit)
      const mean = y.reduce((sum, value) => sum + value, 0) / count
      yield atMost("mean of all elements", Math.abs(mean - stats.mean) / stats.absmax, limit)
    },
  }
}

function networkConfig(config: Entry["config"]): ScoreNetworkConfig {
  if (typeof config !== "string") return { model: camelCase(config.model), data: camelCase(config) }
  if (isScoreSdeConfigName(config)) return scoreSdeConfig(config)
  throw new Error(`There is no configuration ${config}.`)
}

// The rule of the files whose names don't end in `_hash`.
function sineWeights(shapes: ReadonlyMap<string, readonly number[]>): WeightSource {
  const names = [...shapes.keys()].sort()
  return {
    async readFloat32Into(name, target) {
      const shape = shapes.get(name)!
      const k = names.indexOf(name)
      const leaf = name.slice(name.lastIndexOf(".") + 1)
      const vector = shape.length === 1
      const inputs = leaf === "W" ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1)
      const factor = vector ? (leaf === "W" ? 4 : 0.1) : 1 / Math.sqrt(inputs)
      const offset = vector && leaf === "weight" ? 1 : 0
      for (let i = 0; i < target.length; i++) target[i] = offset + factor * Math.sin(0.7 * i + 0.3 * k)
    },
  }
}

function tensorsCheck(path: string): Check | undefined {
  const [name = "", kind] = basename(path).split(".")
  const config = name.replaceAll("__", "/")
  if (!isScoreSdeConfigName(config)) return undefined
  return {
    name: `score-sde tensors ${config}`,
    async *run() {
      const text = await readFile(path, "utf8")
      const rows = text.split("\n").filter(line => line !== "" && !/^(#|module\.sigmas\t)/.test(line))
      let averaged = 0
      const ours = checkpointTensors(scoreSdeConfig(config)).map(({ name, shape, trained, flax }, i) => {
        const inFlax = [flax.path, flax.shape.join("x")]
        if (kind === "flax") return inFlax.join("\t")
        const places = [`${i}`, trained ? `${averaged++}` : ""]
        return [`module.${name}`, shape.join("x"), "float32", ...places, ...inFlax].join("\t")
      })
      // Flax's maps have no order.
      const theirs = kind === "flax" ? rows.sort() : rows
      const listed = kind === "flax" ? ours.sort() : ours
      const wrong = theirs.find((row, i) => row !== listed[i])
      yield same(`${rows.length} tensors`, listed.length === rows.length ? wrong : `${listed.length}`)
    },
  }
}

async function* compareConfigs(path: string): AsyncGenerator<Finding> {
  const originals: Record<string, Record<string, unknown>> = JSON.parse(await readFile(path, "utf8"))
  for (const name of scoreSdeConfigNames) {
    const original = originals[`configs/${name}.py`] ?? {}
    const corrected = new Map<string, unknown>(Object.entries(original))
    for (const fault of upstreamFaults)
      if (fault.config === name) corrected.set(fault.option, fault.corrected)
    const ours = optionsOf(formatScoreSdeConfig(scoreSdeConfig(name)))
    // What the original lacks has a value of its own here; what only it has is read by nothing.
    const wrong = [...ours].find(
      ([key, value]) => corrected.has(key) && text(corrected.get(key)) !== text(value),
    )
    yield same(`${name}, ${ours.size} options`, wrong?.join(" is "))
  }
}

function optionsOf(file: string): Map<string, unknown> {
  const options = new Map<string, unknown>()
  for (const [section, values] of Object.entries(parseJsonObject(file))) {
    if (!isJsonObject(values)) options.set(section, values)
    else for (const [key, value] of Object.entries(values)) options.set(`${section}.${key}`, value)
  }
  return options
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join()
  return typeof value === "bigint" ? text(Number(value)) : String(value)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string", default: "" } },
  })
  const folder = positionals[0] ?? env.SCORE_SDE_REFERENCE
  if (folder === undefined) throw new Error("Which folder holds the numbers?")
  const wanted = new RegExp(values.only)
  for (const { name, run } of await scoreSdeChecks(folder)) {
    if (!wanted.test(name)) continue
    for await (const { what, error, limit, ok } of run()) {
      console.log(`${ok ? "ok     " : "DIFFERS"}  ${name}: ${what}: ${error}, at most ${limit}`)
      if (!ok) process.exitCode = 1
    }
  }
}

if (argv[1] && resolve(argv[1]) === fileURLToPath(import.meta.url)) await main()
