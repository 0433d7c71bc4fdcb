import { readFileSync } from "node:fs"
import { createConfig } from "../../src/config/config.ts"
import type { JsonObject } from "../../src/config/json.ts"
import type { Graph } from "../../src/graph/types.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { networkNames } from "../../src/models/network-names.ts"
import { type UNet2DConfig, unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import type { DType, Tensor } from "../../src/tensor.ts"
import { formulaInput, formulaWeights } from "./formula-weights.ts"

// What the files of test/fixtures/unet2d hold, and what a network is given for them.

/** A configuration as it stands in a file, and the inputs of one evaluation. */
export interface NetworkCase {
  readonly name: string
  readonly config: JsonObject
  readonly batch: number
  readonly size: readonly [height: number, width: number]
  readonly timestep: readonly number[]
  readonly timestepType: "float32" | "int64"
  readonly labels?: readonly number[] | "identity"
}

/** A case that Diffusers runs, with samples of its output. */
export interface SolvedCase extends NetworkCase {
  readonly tensors: number
  readonly tensorsHash: string
  readonly shape: readonly number[]
  readonly meanAbs: number
  readonly projection: number
  readonly values: readonly number[]
}

/** A case that Diffusers refuses. */
export interface RefusedCase extends NetworkCase {
  readonly stage: "construct" | "run"
  readonly exception: string
}

/** A model with its whole output. */
export interface GoldenModel {
  readonly config: JsonObject
  readonly timestep: readonly number[]
  readonly shape: readonly [batch: number, channels: number, height: number, width: number]
  readonly output: readonly number[]
}

/** A model's configuration, and the shapes of its tensors by name. */
export interface StateDict {
  readonly config: JsonObject
  readonly tensors: Readonly<Record<string, readonly number[]>>
}

interface Fixtures {
  readonly blocks: { readonly cases: readonly SolvedCase[] }
  readonly options: { readonly cases: readonly SolvedCase[] }
  readonly refused: { readonly cases: readonly RefusedCase[] }
  readonly lenient: { readonly cases: readonly SolvedCase[] }
  readonly golden: { readonly models: Readonly<Record<string, GoldenModel>> }
  readonly "state-dict-keys": { readonly models: Readonly<Record<string, StateDict>> }
}

export function loadFixture<K extends keyof Fixtures>(name: K): Fixtures[K] {
  return JSON.parse(readFileSync(new URL(`../fixtures/unet2d/${name}.json`, import.meta.url), "utf8"))
}

/** A configuration with the defaults filled in. Whether it is a good one is left to the network. */
export function configOf(json: JsonObject): UNet2DConfig {
  const camelCase = (key: string): string => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  const given = Object.fromEntries(Object.entries(json).map(([key, value]) => [camelCase(key), value]))
  return { ...createConfig(unet2dConfigSpec), ...given }
}

/** The fixtures' weights for a graph as it was built. */
export function weightsFor(graph: Graph): ReturnType<typeof formulaWeights> {
  return formulaWeights(parameterShapes(graph))
}

/** The inputs of a case, in the types that the graph declares. */
export function feedsFor(graph: Graph, one: NetworkCase): Record<string, Tensor> {
  const { batch, size, timestep, labels } = one
  const input = (name: string): { dtype: DType; channels: number } => {
    const { dtype, shape } = graph.inputs.find(value => value.name === name) ?? {
      dtype: "float32",
      shape: [],
    }
    return { dtype, channels: Number(shape[1] ?? 1) }
  }
  const vector = (name: string, values: readonly number[]): Tensor => {
    const all = values.length === batch ? values : Array<number>(batch).fill(values[0]!)
    return input(name).dtype === "int64"
      ? { dtype: "int64", shape: [batch], data: BigInt64Array.from(all, BigInt) }
      : { dtype: "float32", shape: [batch], data: Float32Array.from(all) }
  }
  const waves = (...shape: number[]): Tensor<"float32"> => {
    const count = shape.reduce((a, b) => a * b, 1)
    return { dtype: "float32", shape, data: formulaInput(count) }
  }
  const feeds: Record<string, Tensor> = {
    [networkNames.sample]: waves(batch, input(networkNames.sample).channels, ...size),
    [networkNames.timestep]: vector(networkNames.timestep, timestep),
  }
  if (labels === "identity") {
    feeds[networkNames.classLabels] = waves(batch, input(networkNames.classLabels).channels)
  } else if (labels) {
    feeds[networkNames.classLabels] = vector(networkNames.classLabels, labels)
  }
  return feeds
}

/** One of the three models whose whole output is known, as a case. */
export function goldenCase(name: string, { config, timestep, shape }: GoldenModel): NetworkCase {
  const [batch, , height, width] = shape
  return { name, config, batch, size: [height, width], timestep, timestepType: "float32" }
}
