import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { foldParameters } from "../../../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../../../src/graph/types.ts"
import type { WeightSource } from "../../../src/graph/weight-layout.ts"
import { parameterShapes } from "../../../src/models/checkpoint.ts"
import {
  type ScoreNetworkConfig,
  type ScoreNetworkOptions,
  scoreNetworkGraph,
} from "../../../src/models/score-network.ts"
import { type WideResnetConfig, wideResnetGraph } from "../../../src/models/wideresnet/network.ts"
import type { Device } from "../../../src/runtime/device.ts"
import { modelOf, runModel } from "../../graph/run-graph.ts"

/** A network with its output, as test/fixtures/score-sde holds it. */
export interface NetworkCase {
  readonly name: string
  /** Sections of a configuration, in snake_case. */
  readonly model: Readonly<Record<string, unknown>>
  readonly data: Readonly<Record<string, unknown>>
  readonly labels: readonly number[]
  readonly size: readonly [number, number]
  readonly tensors: number
  readonly tensorsHash?: string
  readonly shape: readonly number[]
  /** The largest magnitude of the output. */
  readonly largest: number
  readonly projection: number
  readonly values: readonly number[]
}

/** The cases of one of the fixtures. */
export function readCases<Case>(file: string): readonly Case[] {
  const url = new URL(`../../fixtures/score-sde/${file}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, "utf8")).cases
}

/** The same keys in camelCase. */
export function camelCase<Section>(section: object): Section {
  const entries = Object.entries(section).map(([key, value]) => [
    key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ])
  return Object.fromEntries(entries) as Section
}

type Shapes = ReadonlyMap<string, readonly number[]>

/** SHA-256 of the lines `name:d0,d1,…`, names ascending. */
export function tensorsHash(shapes: Shapes): string {
  return hashOf([...shapes.keys()].sort().map(name => `${name}:${shapes.get(name)!.join()}`))
}

/** SHA-256 of lines. */
export function hashOf(lines: readonly string[]): string {
  return createHash("sha256")
    .update(lines.map(line => `${line}\n`).join(""))
    .digest("hex")
}

/** Pseudo-random weights by the formula that the fixtures state. */
export function hashWeights(shapes: Shapes): WeightSource {
  const names = [...shapes.keys()].sort()
  return {
    async readFloat32Into(name, target) {
      const shape = shapes.get(name)!
      const k = names.indexOf(name)
      const leaf = name.slice(name.lastIndexOf(".") + 1)
      const [offset, factor] = amplitude(leaf, shape)
      for (let i = 0; i < target.length; i++) {
        const a = 43758.5453 * Math.sin(12.9898 * (i + 1) + 78.233 * (k + 1))
        target[i] = offset + factor * (2 * (a - Math.floor(a)) - 1)
      }
    },
  }
}

function amplitude(leaf: string, shape: readonly number[]): readonly [offset: number, factor: number] {
  if (shape.length === 1) {
    if (leaf === "W") return [0, 8]
    return [["weight", "alpha", "gamma"].includes(leaf) ? 1 : 0, 0.3]
  }
  const inputs = leaf === "W" ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1)
  return [0, Math.sqrt(3 / inputs)]
}

/** 0.5 + 0.5 cos(0.01 i). */
export function hashInput(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => 0.5 + 0.5 * Math.cos(0.01 * i))
}

/** The network of a case. */
export function graphOf({ model, data, size }: NetworkCase, options: ScoreNetworkOptions = {}): Graph {
  if (model.name === "wideresnet") {
    return wideResnetGraph({ ...camelCase<WideResnetConfig>(model), ...camelCase<WideResnetConfig>(data) })
  }
  const config = { model: camelCase(model), data: camelCase(data) } as ScoreNetworkConfig
  return scoreNetworkGraph(config, { size, ...options })
}

/** The output of a case's network, once. */
export async function runCase(
  graph: Graph,
  { data, size, labels }: NetworkCase,
  device: Device = "cpu",
): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }> {
  const shape = [labels.length, data.num_channels as number, ...size]
  const model = await modelOf(foldParameters(graph), hashWeights(parameterShapes(graph)))
  const feeds = {
    sample: { dtype: "float32", shape, data: hashInput(shape.reduce((a, b) => a * b, 1)) },
    timestep: { dtype: "float32", shape: [labels.length], data: Float32Array.from(labels) },
  } as const
  const [output] = Object.values(await runModel(model, feeds, device))
  return output as Awaited<ReturnType<typeof runCase>>
}

/** How far an output is from a case's, as a share of its largest value: of single elements, and of a projection. */
export function errorsOf({ values, largest, projection }: NetworkCase, y: Float32Array): readonly number[] {
  const differences = values.map((value, j) =>
    Math.abs(value - y[Math.floor((j * (y.length - 1)) / (values.length - 1))]!),
  )
  const projected = y.reduce((sum, value, i) => sum + value * Math.cos(0.1 * i), 0) / y.length
  return [Math.max(...differences) / largest, Math.abs(projected - projection) / largest]
}
