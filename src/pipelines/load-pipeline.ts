import { parseJsonObject } from "../config/json.ts"
import { type ComponentReference, type ModelIndex, parseModelIndex } from "../config/model-index.ts"
import { warnOnce } from "../config/warnings.ts"
import { componentPath } from "../hub/component-files.ts"
import { HubError } from "../hub/errors.ts"
import type { ModelLocation } from "../hub/open-repo.ts"
import type { Repo } from "../hub/repo.ts"
import { checkDType, openModelRepo } from "../models/network-session.ts"
import type { NetworkClass } from "../models/registry.ts"
import { type AnyScheduler, schedulerClass } from "../schedulers/registry.ts"
import { SCHEDULER_FILE } from "../schedulers/scheduler.ts"
import type { DiffusionPipeline, PipelineClass, PipelineOptions } from "./diffusion-pipeline.ts"
import { PipelineError } from "./errors.ts"
import { pipelineClasses } from "./registry.ts"

const indexFile = "model_index.json"
const maxConfigBytes = 2 ** 20

/**
 * Loads a repository's components and joins them.
 *
 * @param asked the pipeline that the caller wants; undefined for the one that the repository names.
 */
export async function loadPipeline(
  location: ModelLocation,
  asked: PipelineClass | undefined,
  options: PipelineOptions,
): Promise<DiffusionPipeline> {
  const { onWarning = warnOnce } = options
  checkDType(options.dtype)
  const repo = await openModelRepo(location, options)
  const file = `${repo.id}/${indexFile}`
  const index = parseModelIndex(await readIndex(repo), { file })
  const pipelineClass = asked ?? findPipelineClass(index, file)
  const scheduler = options.scheduler ?? (await loadScheduler(repo, index, pipelineClass, onWarning))
  const { scalars } = index
  if (options.unet) return new pipelineClass({ unet: options.unet, scheduler }, { scalars })
  const reference = component(index, "unet", pipelineClass, file)
  const { networkClass } = pipelineClass
  checkReference(reference, networkClass, "unet", file, onWarning)
  const unet = await networkClass.fromRepo(repo, "unet", options)
  try {
    return new pipelineClass({ unet, scheduler }, { scalars })
  } catch (error) {
    await unet.dispose()
    throw error
  }
}

async function readIndex(repo: Repo): Promise<string> {
  try {
    return await repo.readText(indexFile, maxConfigBytes)
  } catch (error) {
    if (!(error instanceof HubError && error.code === "ENTRY_NOT_FOUND")) throw error
    throw new HubError("ENTRY_NOT_FOUND", `${repo.id} has no ${indexFile}, which names a pipeline's parts.`, {
      cause: error,
      hint: "For a network without a scheduler call UNet2DModel.fromPretrained, which needs only its config.json.",
    })
  }
}

function findPipelineClass({ className, customModule }: ModelIndex, file: string): PipelineClass {
  const found = className === undefined ? undefined : pipelineClasses.get(className)
  if (found) return found
  const known = [...pipelineClasses.keys()].join(", ")
  const custom = customModule === undefined ? "" : " Its code in the repository is never run."
  throw new PipelineError(
    "UNKNOWN_PIPELINE",
    className === undefined
      ? `${file} names no pipeline class.`
      : `${file} names the pipeline "${className}", which this library doesn't have.${custom}`,
    { hint: `It has ${known}; call fromPretrained on one of them if the components fit.` },
  )
}

async function loadScheduler(
  repo: Repo,
  index: ModelIndex,
  pipelineClass: PipelineClass,
  onWarning: (message: string) => void,
): Promise<AnyScheduler> {
  const reference = component(index, "scheduler", pipelineClass, `${repo.id}/${indexFile}`)
  const path = componentPath(repo, "scheduler", SCHEDULER_FILE)
  const file = `${repo.id}/${path}`
  const json = parseJsonObject(await repo.readText(path, maxConfigBytes), { file })
  const named = schedulerClass(reference.className, `${repo.id}/${indexFile}`)
  // A pipeline that needs another scheduler makes it from the same numbers, as Diffusers' DDIMPipeline does.
  const wanted = pipelineClass.schedulerClass
  const read = named.fromConfig(json, {}, { file, onWarning })
  if (named.className === wanted.className) return read
  if (read.compatibles.includes(wanted.className)) return wanted.fromConfig(read.config)
  throw new PipelineError(
    "COMPONENT_TYPE",
    `${repo.id} has a ${named.className}, whose numbers mean nothing to the ${wanted.className} of a ${pipelineClass.className}.`,
    {
      hint: "Load it with DiffusionPipeline.fromPretrained, which takes the pipeline that the repository names, or give a scheduler.",
    },
  )
}

function component(
  index: ModelIndex,
  name: string,
  pipelineClass: PipelineClass,
  file: string,
): ComponentReference {
  const reference = index.components.get(name)
  if (reference) return reference
  const present = [...index.components].filter(([, value]) => value).map(([key]) => key)
  const found = present.length === 0 ? "none" : present.join(", ")
  throw new PipelineError(
    "COMPONENT_MISSING",
    `A ${pipelineClass.className} needs the components unet and scheduler, but ${file} has ${found}.`,
    { hint: `Give the missing one: fromPretrained(id, { ${name} }).` },
  )
}

function checkReference(
  { library, className }: ComponentReference,
  { className: wanted, library: home = "diffusers" }: NetworkClass,
  name: string,
  file: string,
  onWarning: (message: string) => void,
): void {
  if (className !== wanted) {
    throw new PipelineError(
      "COMPONENT_TYPE",
      `${file}: ${name} is a ${className}; this pipeline needs a ${wanted}.`,
    )
  }
  // Models saved from notebooks name "__main__" and the like; the class is what counts.
  if (library === home) return
  onWarning(
    `${file}: ${className} of "${library}" is taken for that of ${home === "diffusers" ? "Diffusers" : home}.`,
  )
}
