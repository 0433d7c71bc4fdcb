import { randomUUID } from "node:crypto"
import { rename, rm, rmdir } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { AbortError, InputError } from "../errors.ts"
import type { ModelDType } from "../models/network-session.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { exportScoreSde } from "../pipelines/export-score-sde.ts"
import type { SaveOptions } from "../pipelines/save-pretrained.ts"
import { failAsFileError } from "../platform/node/file-failure.ts"
import { configArgument } from "./configs.ts"
import type { CommandContext } from "./context.ts"
import { loadModel } from "./load-model.ts"
import { loadingOptions, type RepoArguments } from "./model-options.ts"
import { checkOutputFolder, isVacant } from "./output-path.ts"

interface FolderArguments {
  readonly dtype: ModelDType | "both"
  readonly overwrite?: boolean
}

interface ExportArguments extends RepoArguments, FolderArguments {}

interface CheckpointArguments extends FolderArguments {
  readonly config: string
  readonly rawWeights?: boolean
}

/** `score-sde export`: writes a pipeline's folder with ONNX graphs of the network. */
export async function exportModel(
  model: string,
  directory: string,
  options: ExportArguments,
  context: CommandContext,
): Promise<void> {
  const { dtype, overwrite, ...repo } = options
  const target = await openTarget(directory, options)
  await using pipe = await loadModel(context, {}, () =>
    DiffusionPipeline.fromPretrained(model, loadingOptions({ ...repo, device: ["cpu"] }, context)),
  )
  await fill(target, context, saving => pipe.savePretrained(target.folder, saving))
}

/** `score-sde export --from-score-sde`: writes a checkpoint of score_sde as such a folder. */
export async function exportCheckpoint(
  checkpoint: string,
  directory: string,
  options: CheckpointArguments,
  context: CommandContext,
): Promise<void> {
  const { config: nameOrFile, rawWeights } = options
  const config = await configArgument(nameOrFile)
  const target = await openTarget(directory, options)
  await fill(target, context, saving =>
    exportScoreSde(checkpoint, config, target.folder, { ...saving, rawWeights }),
  )
}

/** The folder that is asked for, and how it is filled. */
interface Target {
  readonly directory: string
  readonly vacant: boolean
  /** Where the files are written. */
  readonly folder: string
  readonly onnx: readonly ModelDType[]
}

async function openTarget(directory: string, { dtype, overwrite = false }: FolderArguments): Promise<Target> {
  const onnx: readonly ModelDType[] = dtype === "both" ? ["fp32", "fp16"] : [dtype]
  await checkOutputFolder(directory)
  const vacant = await isVacant(directory)
  if (!vacant && !overwrite) {
    throw new InputError("INVALID_ARGUMENT", `The folder ${directory} is not empty.`, {
      hint: "Give a new one, or add --overwrite.",
    })
  }
  const path = resolve(directory)
  // A new folder gets its name when it is whole; one that is there gets its files one by one, each whole.
  const folder = vacant ? join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`) : path
  return { directory, vacant, folder, onnx }
}

/** Has the folder written, and gives it its name. */
async function fill(
  { directory, vacant, folder, onnx }: Target,
  { signal, terminal }: CommandContext,
  write: (options: SaveOptions) => Promise<unknown>,
): Promise<void> {
  try {
    await write({ onnx, signal, onFile: path => terminal.note(`Writing ${path}`) })
    if (vacant) await failAsFileError(directory, () => takePlace(folder, resolve(directory)))
  } catch (error) {
    if (vacant) await rm(folder, { recursive: true, force: true })
    if (!(error instanceof AbortError)) throw error
    const kept = vacant ? "Nothing is written." : `Some files of ${directory} are new, others are not.`
    throw new AbortError(error.cause, `Interrupted. ${kept}`)
  }
  console.log(directory)
}

/** Gives a folder its final name, which at most an empty folder has. */
async function takePlace(folder: string, target: string): Promise<void> {
  await rmdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
  })
  await rename(folder, target)
}
