import { parseJsonObject } from "../config/json.ts"
import { warnOnce } from "../config/warnings.ts"
import { InputError } from "../errors.ts"
import { componentPath, filesOf, findWeights } from "../hub/component-files.ts"
import { HubError } from "../hub/errors.ts"
import { type ModelLocation, openRepo } from "../hub/open-repo.ts"
import type { Repo } from "../hub/repo.ts"
import { RuntimeError } from "../runtime/errors.ts"
import { createSession, type ModelSource, type Session } from "../runtime/session.ts"
import type { Architecture } from "./architecture.ts"
import type { TensorFiles } from "./checkpoint.ts"
import type { ModelOptions, ModelOrigin } from "./network-model.ts"
import { networkNames } from "./network-names.ts"
import { repoModel } from "./stored-model.ts"

const modelDTypes = ["fp32", "fp16"] as const

/** The element types that a network can compute in. */
export type ModelDType = (typeof modelDTypes)[number]

/**
 * The given element type, or float32 where none is given.
 *
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkDType(dtype: ModelDType = "fp32"): ModelDType {
  if (modelDTypes.includes(dtype)) return dtype
  throw new InputError("INVALID_ARGUMENT", `A network can't compute in "${dtype}".`, {
    hint: `It computes in one of ${modelDTypes.join(", ")}.`,
  })
}

/** Opens the repository that a model is in, with a word on options that mean nothing there. */
export async function openModelRepo(location: ModelLocation, options: ModelOptions): Promise<Repo> {
  const { revision, onWarning = warnOnce } = options
  const repo = await openRepo(location, options)
  if (repo.kind === "local" && revision !== undefined) {
    onWarning(`${repo.id} is a folder, which has no revisions: revision "${revision}" is ignored.`)
  }
  return repo
}

const maxConfigBytes = 2 ** 20

const configFile = "config.json"

/** Reads the configuration of a network in a repository, with the size that the caller asks for. */
export async function readNetworkConfig<Config>(
  architecture: Architecture<Config>,
  { repo, component, options }: ModelOrigin,
): Promise<Config> {
  const path = componentPath(repo, component, configFile)
  const file = `${repo.id}/${path}`
  const json = parseJsonObject(await readConfigText(repo, path), { file })
  const { onWarning, size } = options
  return architecture.readConfig(json, { file, size, onWarning })
}

async function readConfigText(repo: Repo, path: string): Promise<string> {
  try {
    return await repo.readText(path, maxConfigBytes)
  } catch (error) {
    if (!(error instanceof HubError && error.code === "ENTRY_NOT_FOUND")) throw error
    const graph = repo.files.find(file => file.path.endsWith(".onnx"))
    const why = graph
      ? `${graph.path} alone doesn't say what the network was trained for.`
      : "It says what the network is made of."
    throw new HubError("ENTRY_NOT_FOUND", `${repo.id} has no ${path}, which a model needs. ${why}`, {
      cause: error,
      hint: "Put the config.json of the model's Diffusers repository beside its weights or graph.",
    })
  }
}

/** Loads the network: the repository's ONNX graph where there is one, else its converted weights. */
export async function openNetworkSession<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
): Promise<Session> {
  const { repo, component, options } = origin
  const files = findWeights(repo, component, options)
  const load = (source: ModelSource): Promise<Session> =>
    createSession(source, { ...options, transfer: true })
  if (files.format !== "onnx") return await loadConverted(architecture, config, origin, files, load)
  await repo.download(filesOf(files))
  const session = await load(await repoModel(repo, files.path))
  const wanted = architecture.pictureSize(config, options.size)
  const found = session.inputs.find(({ name }) => name === networkNames.sample)?.shape.slice(-2)
  if (!found?.some((side, axis) => typeof side === "number" && side !== wanted[axis])) return session
  await session.dispose()
  const tensors = options.useOnnx ? undefined : findTensorFiles(repo, component, options)
  if (tensors) return await loadConverted(architecture, config, origin, tensors, load)
  throw new InputError(
    "SHAPE_MISMATCH",
    `${repo.id}/${files.path} takes pictures of ${found.join(" × ")}, not of ${wanted.join(" × ")}.`,
    {
      hint: options.useOnnx
        ? "Leave out useOnnx, and a graph of that size is made from the weights, if there are any."
        : "There are no weights to make a graph of that size from: leave out size, or load a repository with weights.",
    },
  )
}

/** The files of a component's weights; undefined where it has none of the kind that is wanted. */
export function findTensorFiles(
  repo: Repo,
  component: string,
  options: ModelOptions,
): TensorFiles | undefined {
  try {
    const files = findWeights(repo, component, { ...options, useOnnx: false })
    return files.format === "onnx" ? undefined : files
  } catch (error) {
    if (error instanceof HubError && /^(?:WEIGHTS|VARIANT)_NOT_FOUND$/.test(error.code)) return undefined
    throw error
  }
}

async function loadConverted<Config>(
  architecture: Architecture<Config>,
  config: Config,
  origin: ModelOrigin,
  files: TensorFiles,
  load: (source: ModelSource) => Promise<Session>,
): Promise<Session> {
  // Only a model that has to be converted needs the code that builds graphs.
  const { convertNetwork } = await import("./conversion.ts")
  return loadFresh(origin, force => convertNetwork(architecture, config, origin, files, force), load)
}

/** Loads a model that is converted or was before; what was kept may be damaged, and a fresh one tells. */
export async function loadFresh(
  { repo, options }: ModelOrigin,
  convert: (force: boolean) => Promise<ModelSource>,
  load: (source: ModelSource) => Promise<Session>,
): Promise<Session> {
  const force = options.forceDownload ?? false
  try {
    return await load(await convert(force))
  } catch (error) {
    if (force || repo.kind !== "hub" || !(error instanceof RuntimeError && error.code === "MODEL_INVALID"))
      throw error
    return load(await convert(true))
  }
}
