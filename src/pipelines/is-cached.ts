import { checkOptions } from "../check-options.ts"
import { componentPath, type FileListing, filesOf, findWeights } from "../hub/component-files.ts"
import { HubError } from "../hub/errors.ts"
import { type ModelLocation, openRepo } from "../hub/open-repo.ts"
import type { Repo } from "../hub/repo.ts"
import { checkDType } from "../models/network-session.ts"
import { SCHEDULER_FILE } from "../schedulers/scheduler.ts"
import { type PipelineOptions, pipelineOptions } from "./diffusion-pipeline.ts"

const indexFile = "model_index.json"
const maxShardIndexBytes = 16 * 2 ** 20

/**
 * Whether `fromPretrained(location, options)` would find all files here. No request is sent: of a branch, the commit
 * that it stood for when it was last loaded is meant. A folder is always here.
 *
 * @throws HubError `INVALID_ID`, `INVALID_OPTION`, `LOCAL_NOT_FOUND`, ….
 */
export async function isCached(location: ModelLocation, options: PipelineOptions = {}): Promise<boolean> {
  checkOptions("isCached", options, pipelineOptions)
  checkDType(options.dtype)
  const repo = await openCached(location, options)
  if (repo?.kind !== "hub") return repo !== undefined
  const listing = { id: repo.id, files: repo.known ?? repo.files, offline: undefined }
  const sizes = new Map(repo.files.map(({ path, size }) => [path, size]))
  const isHere = (path: string): boolean => {
    const stated = listing.files.find(file => file.path === path)
    return stated !== undefined && sizes.has(path) && sizes.get(path) === stated.size
  }
  const files = neededFiles(listing, options)
  if (!files?.every(isHere)) return false
  return (await shardsOf(repo, files)).every(isHere)
}

async function openCached(location: ModelLocation, options: PipelineOptions): Promise<Repo | undefined> {
  try {
    return await openRepo(location, { ...options, localFilesOnly: true })
  } catch (error) {
    if (error instanceof HubError && error.code === "OFFLINE") return undefined
    throw error
  }
}

/** The files that loading reads; undefined where the listing has none to load. */
function neededFiles(listing: FileListing, options: PipelineOptions): string[] | undefined {
  const isPipeline = listing.files.some(({ path }) => path === indexFile)
  const unet = isPipeline ? "unet" : ""
  const needed: string[] = isPipeline ? [indexFile] : []
  if (isPipeline && !options.scheduler) needed.push(componentPath(listing, "scheduler", SCHEDULER_FILE))
  if (options.unet) return needed
  try {
    const weights = filesOf(findWeights(listing, unet, options))
    return [...needed, componentPath(listing, unet, "config.json"), ...weights]
  } catch (error) {
    if (error instanceof HubError && /^(?:WEIGHTS|VARIANT)_NOT_FOUND$/.test(error.code)) return undefined
    throw error
  }
}

/** The shards that an index among the files names: a cache that Python wrote may hold some and not tell of the others. */
async function shardsOf(repo: Repo, files: readonly string[]): Promise<string[]> {
  const index = files.find(path => path.endsWith(".json") && path.includes(".index."))
  if (index === undefined) return []
  const { parseShardIndex } = await import("../weights/shard-index.ts")
  const folder = index.slice(0, index.lastIndexOf("/") + 1)
  const { shards } = parseShardIndex(index, await repo.readText(index, maxShardIndexBytes))
  return [...shards].map(name => folder + name)
}
