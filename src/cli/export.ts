import { randomUUID } from "node:crypto"
import { rename, rm, rmdir } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { AbortError, InputError } from "../errors.ts"
import type { ModelDType } from "../models/network-session.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import { failAsFileError } from "../platform/node/file-failure.ts"
import type { CommandContext } from "./context.ts"
import { loadModel } from "./load-model.ts"
import { loadingOptions, type RepoArguments } from "./model-options.ts"
import { checkOutputFolder, isVacant } from "./output-path.ts"

interface ExportArguments extends RepoArguments {
  readonly dtype: ModelDType | "both"
  readonly overwrite?: boolean
}

/** `score-sde export`: writes a pipeline's folder with ONNX graphs of the network. */
export async function exportModel(
  model: string,
  directory: string,
  options: ExportArguments,
  context: CommandContext,
): Promise<void> {
  const { dtype, overwrite = false, ...repo } = options
  const onnx: readonly ModelDType[] = dtype === "both" ? ["fp32", "fp16"] : [dtype]
  await checkOutputFolder(directory)
  const vacant = await isVacant(directory)
  if (!vacant && !overwrite) {
    throw new InputError("INVALID_ARGUMENT", `The folder ${directory} is not empty.`, {
      hint: "Give a new one, or add --overwrite.",
    })
  }
  await using pipe = await loadModel(context, {}, () =>
    DiffusionPipeline.fromPretrained(model, loadingOptions({ ...repo, device: ["cpu"] }, context)),
  )
  const target = resolve(directory)
  // A new folder gets its name when it is whole; one that is there gets its files one by one, each whole.
  const folder = vacant ? join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`) : target
  try {
    await pipe.savePretrained(folder, {
      onnx,
      signal: context.signal,
      onFile: path => context.terminal.note(`Writing ${path}`),
    })
    if (vacant) await failAsFileError(directory, () => takePlace(folder, target))
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
