import * as v from "valibot"
import { type JsonValue, parseJsonObject } from "../config/json.ts"
import { type ModelIndex, parseModelIndex } from "../config/model-index.ts"
import { isScoreSdeConfigName } from "../configs/configs.ts"
import type { ScoreSdeConfigName } from "../configs/names.ts"
import { type ComponentWeights, componentPath, filesOf, findWeights } from "../hub/component-files.ts"
import { HubError } from "../hub/errors.ts"
import { openRepo } from "../hub/open-repo.ts"
import type { Repo } from "../hub/repo.ts"
import type { Architecture } from "../models/architecture.ts"
import { countParameters, inferenceGraph } from "../models/conversion.ts"
import type { ModelOptions } from "../models/network-model.ts"
import { type ModelDType, readNetworkConfig } from "../models/network-session.ts"
import { scoreNetwork } from "../models/score-sde/architecture.ts"
import { unet2d } from "../models/unet2d/architecture.ts"
import type { ScoreSdeOrigin } from "../pipelines/export-score-sde.ts"
import { pipelineClasses } from "../pipelines/registry.ts"
import { schedulerClasses } from "../schedulers/registry.ts"
import { SCHEDULER_FILE } from "../schedulers/scheduler.ts"
import { estimateMemory, type MemoryNeed } from "./memory-estimate.ts"
import { type NetworkShape, scoreNetworkShape, unet2dShape } from "./network-shape.ts"

/** What `score-sde info` tells, and the form of its JSON. Sizes are in bytes; null stands for what can't be told. */
export interface ModelReport {
  readonly model: string
  /** The commit of a Hub repository. */
  readonly commit: string | null
  readonly pipeline: ClassReport | null
  readonly components: Readonly<Record<string, ClassReport>>
  readonly network: NetworkReport | null
  /** Of a model that was made from a checkpoint of score_sde: which, and what is known of it. */
  readonly origin: ScoreSdeOrigin | null
  /** The scheduler's configuration. */
  readonly noise: object | null
  /** The files that hold the network, as they would be loaded. */
  readonly weights: WeightsReport | null
  readonly bytes: number | null
  readonly files: readonly { readonly path: string; readonly bytes: number | null }[]
}

/** A `ScoreSdeOrigin` as the index has it. */
const originSchema = v.object({
  checkpoint: v.string(),
  sha256: v.string(),
  framework: v.picklist(["pytorch", "flax"]),
  config: v.nullable(
    v.custom<ScoreSdeConfigName>(name => typeof name === "string" && isScoreSdeConfigName(name)),
  ),
  step: v.nullable(v.pipe(v.bigint(), v.transform(Number))),
  weights: v.nullable(v.picklist(["ema", "raw"])),
})

/** Null for what this library didn't write. */
function readOrigin(value: JsonValue | undefined): ScoreSdeOrigin | null {
  const parsed = v.safeParse(originSchema, value)
  return parsed.success ? parsed.output : null
}

export interface ClassReport {
  readonly class: string | null
  /** Whether this library has it. */
  readonly supported: boolean
}

export interface NetworkReport extends NetworkShape {
  /** Null where the configuration leaves it open. */
  readonly pictures: { readonly height: number; readonly width: number } | null
  readonly channels: number
  readonly parameters: number
  readonly dtype: ModelDType
  readonly memory: MemoryNeed | null
}

export interface WeightsReport {
  readonly format: ComponentWeights["format"]
  readonly files: readonly string[]
  readonly bytes: number | null
}

const indexFile = "model_index.json"
const originKey = "score_sde"
const maxConfigBytes = 2 ** 20

/** Finds out all that can be told without the weights. */
export async function describeModel(model: string, options: ModelOptions): Promise<ModelReport> {
  const repo = await openRepo(model, options)
  const index = repo.has(indexFile) ? await readIndex(repo) : undefined
  const components = describeComponents(index)
  const paths = repo.files.map(({ path }) => path)
  return {
    model: repo.id,
    commit: repo.commit ?? null,
    pipeline: index
      ? { class: index.className ?? null, supported: pipelineClasses.has(index.className ?? "") }
      : null,
    components,
    network: components.unet?.supported
      ? await (components.unet.class === scoreNetwork.className
          ? describeNetwork(scoreNetwork, scoreNetworkShape, repo, options)
          : describeNetwork(unet2d, unet2dShape, repo, options))
      : null,
    origin: readOrigin(index?.scalars[originKey]),
    noise: components.scheduler?.supported
      ? await describeNoise(repo, components.scheduler.class!, options)
      : null,
    weights: describeWeights(repo, options),
    bytes: totalBytes(repo, paths),
    files: repo.files.map(({ path, size }) => ({ path, bytes: size ?? null })),
  }
}

async function readIndex(repo: Repo): Promise<ModelIndex> {
  return parseModelIndex(await repo.readText(indexFile, maxConfigBytes), { file: `${repo.id}/${indexFile}` })
}

/** A repository without an index is that of a network. */
function describeComponents(index: ModelIndex | undefined): Record<string, ClassReport> {
  if (!index) return { unet: { class: unet2d.className, supported: true } }
  const networks: readonly string[] = [unet2d.className, scoreNetwork.className]
  const isKnown = (name: string): boolean => networks.includes(name) || schedulerClasses.has(name)
  const components: Record<string, ClassReport> = {}
  for (const [name, reference] of index.components) {
    if (reference) components[name] = { class: reference.className, supported: isKnown(reference.className) }
  }
  return components
}

async function describeNetwork<Config>(
  architecture: Architecture<Config>,
  shape: (config: Config) => NetworkShape,
  repo: Repo,
  options: ModelOptions,
): Promise<NetworkReport> {
  const config = await readNetworkConfig(architecture, { repo, component: "unet", options })
  const described = shape(config)
  const size = described.anySize ? undefined : architecture.pictureSize(config, undefined)
  const smallest = 2 ** (described.blockOutChannels.length - 1)
  const dtype = options.dtype ?? "fp32"
  const build = await architecture.loadGraph()
  return {
    ...described,
    pictures: size ? { height: size[0], width: size[1] } : null,
    channels: architecture.channels(config).inChannels,
    parameters: countParameters(build, config, size ?? [smallest, smallest]),
    dtype,
    memory: size ? estimateMemory(inferenceGraph(build, config, size, dtype)) : null,
  }
}

async function describeNoise(repo: Repo, className: string, { onWarning }: ModelOptions): Promise<object> {
  const path = componentPath(repo, "scheduler", SCHEDULER_FILE)
  const file = `${repo.id}/${path}`
  const json = parseJsonObject(await repo.readText(path, maxConfigBytes), { file })
  const scheduler = schedulerClasses.get(className)!
  return scheduler.fromConfig(json, {}, { file, ...(onWarning && { onWarning }) }).config
}

function describeWeights(repo: Repo, options: ModelOptions): WeightsReport | null {
  try {
    const weights = findWeights(repo, "unet", options)
    const files = filesOf(weights)
    return { format: weights.format, files, bytes: totalBytes(repo, files) }
  } catch (error) {
    if (error instanceof HubError && error.code === "WEIGHTS_NOT_FOUND") return null
    throw error
  }
}

/** Null where a mirror of the Hub doesn't tell. */
function totalBytes(repo: Repo, paths: readonly string[]): number | null {
  const sizes = new Map(repo.files.map(({ path, size }) => [path, size]))
  return paths.reduce<number | null>((sum, path) => {
    const size = sizes.get(path)
    return sum === null || size === undefined ? null : sum + size
  }, 0)
}
