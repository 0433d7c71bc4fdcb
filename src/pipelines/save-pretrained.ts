import {
  joinPath,
  listDirectory,
  makeDirectory,
  moveFile,
  removePath,
  statFile,
  writeFileAtomic,
} from "#platform/files"
import { abortSignal, callback, checkOptions, list, type OptionList } from "../check-options.ts"
import type { JsonObject } from "../config/json.ts"
import { type ComponentReference, formatModelIndex } from "../config/model-index.ts"
import { type WarningHandler, warnOnce } from "../config/warnings.ts"
import { InputError, throwIfAborted } from "../errors.ts"
import { checkDType, type ModelDType } from "../models/network-session.ts"
import type { AnyNetwork } from "../models/registry.ts"
import type { AnyScheduler } from "../schedulers/registry.ts"
import { SCHEDULER_FILE } from "../schedulers/scheduler.ts"
import type { DiffusionPipeline } from "./diffusion-pipeline.ts"

/** What a pipeline's folder is written from. */
export interface PipelineParts {
  readonly pipelineClass: NamedClass
  readonly schedulerClass: NamedClass
  readonly networkClass: NamedClass
  readonly scheduler: Pick<AnyScheduler, "toJsonString">
  readonly unet: Pick<AnyNetwork, "dtype" | "configText" | "safetensors" | "onnx">
  readonly scalars: JsonObject
  /** The text of a README.md. */
  readonly card?: string
}

/** A class as `model_index.json` names it. */
interface NamedClass {
  readonly className: string
  readonly library?: string
}

export interface SaveOptions {
  /** Element types of the ONNX graphs to write beside the weights; an empty list for none. Default: the model's own. */
  readonly onnx?: readonly ModelDType[] | undefined
  readonly signal?: AbortSignal | undefined
  /** Called before each file is written, with its path in the folder. */
  readonly onFile?: ((path: string) => void) | undefined
  /** Hears when there are no weights to write. Default: each distinct warning once on the console. */
  readonly onWarning?: WarningHandler | undefined
}

const saveOptions: OptionList<SaveOptions> = {
  type: "SaveOptions",
  options: { onnx: list, signal: abortSignal, onFile: callback, onWarning: callback },
}

const indexFile = "model_index.json"

/** Writes a pipeline's folder; see {@link saveParts}. */
export async function savePipeline(
  pipe: DiffusionPipeline,
  directory: string,
  diffusersVersion: string,
  options: SaveOptions = {},
): Promise<void> {
  checkOptions("savePretrained", options, saveOptions)
  const { scheduler, unet, scalars } = pipe
  const [pipelineClass, schedulerClass, networkClass] = [pipe, scheduler, unet].map(
    part => part.constructor as unknown as NamedClass,
  ) as [NamedClass, NamedClass, NamedClass]
  const parts = { pipelineClass, schedulerClass, networkClass, scheduler, unet, scalars }
  await saveParts(parts, directory, diffusersVersion, options)
}

/**
 * Writes a pipeline's folder from its parts. Nothing in it is touched before all files are complete; then they take the place of the
 * model that was there, of which no weights and graphs stay. The index goes first and comes last, so that a folder with
 * an index is whole.
 */
export async function saveParts(
  parts: PipelineParts,
  directory: string,
  diffusersVersion: string,
  options: SaveOptions = {},
): Promise<void> {
  if (typeof directory !== "string" || directory === "") {
    throw new InputError("INVALID_ARGUMENT", "savePretrained needs the path of a folder.", {
      hint: 'For the working directory give ".".',
    })
  }
  for (const dtype of options.onnx ?? []) checkDType(dtype)
  throwIfAborted(options.signal)
  const isNew = (await statFile(directory)) === undefined
  // Inside the target, and so on its disk: the files can be moved in whatever path it was given by.
  const temporary = joinPath(directory, `.saving-${crypto.randomUUID()}`)
  try {
    for (const folder of folders) await makeDirectory(joinPath(temporary, folder))
    const paths = await writeFiles(parts, temporary, diffusersVersion, options)
    await replaceModel(temporary, directory, paths)
  } finally {
    await cleanUp(temporary, directory, isNew).catch(() => {}) // the first failure is the one to report
  }
}

async function cleanUp(temporary: string, directory: string, isNew: boolean): Promise<void> {
  await removePath(temporary)
  if (isNew && (await listDirectory(directory)).length === 0) await removePath(directory)
}

const folders = ["scheduler", "unet"] as const

/** Writes all files of the pipeline below `root`, and returns their paths there. */
async function writeFiles(
  parts: PipelineParts,
  root: string,
  diffusersVersion: string,
  { onnx = [parts.unet.dtype], signal, onFile, onWarning = warnOnce }: SaveOptions,
): Promise<string[]> {
  const { unet, scheduler, card } = parts
  const paths: string[] = []
  const write = async (path: string, content: string | AsyncIterable<Uint8Array>): Promise<void> => {
    throwIfAborted(signal)
    onFile?.(path)
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    await writeFileAtomic(joinPath(root, ...path.split("/")), bytes, { signal })
    paths.push(path)
  }
  await write(`scheduler/${SCHEDULER_FILE}`, scheduler.toJsonString())
  await write("unet/config.json", unet.configText())
  const weights = await unet.safetensors(signal)
  if (weights) await write("unet/diffusion_pytorch_model.safetensors", weights)
  else if (onnx.length === 0) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "The model has no weights to save, and no ONNX graph is wanted.",
      {
        hint: "Leave out onnx, and the graph that the model came from is saved.",
      },
    )
  } else onWarning("The model came from an ONNX graph alone: no PyTorch weights are saved, only the graph.")
  for (const dtype of new Set(onnx)) {
    const name = dtype === "fp16" ? "model_fp16.onnx" : "model.onnx"
    await write(`unet/${name}`, await unet.onnx(dtype, signal))
  }
  if (card !== undefined) await write("README.md", card)
  await write(indexFile, indexText(parts, diffusersVersion))
  throwIfAborted(signal)
  return paths
}

function indexText(parts: PipelineParts, diffusersVersion: string): string {
  const reference = ({ library = "diffusers", className }: NamedClass): ComponentReference => ({
    library,
    className,
  })
  return formatModelIndex({
    className: parts.pipelineClass.className,
    diffusersVersion,
    components: new Map([
      ["scheduler", reference(parts.schedulerClass)],
      ["unet", reference(parts.networkClass)],
    ]),
    scalars: parts.scalars,
    ignoreFiles: [],
    metadata: {},
  })
}

// Whatever a loader would take for the network's weights or graph, of every variant and type.
const networkFile =
  /^(?:diffusion_pytorch_model[.-].*|model(?:[._][\w.-]*)?\.onnx(?:_data(?:_\d+)?|\.data)?|weights\.pb)$/

/** Moves the files in, the last of them (the index) last, after the network that was there is gone. */
async function replaceModel(from: string, to: string, paths: readonly string[]): Promise<void> {
  for (const folder of folders) await makeDirectory(joinPath(to, folder))
  await removePath(joinPath(to, indexFile))
  for (const folder of ["unet", joinPath("onnx", "unet")]) {
    const place = joinPath(to, folder)
    if ((await statFile(place))?.kind !== "directory") continue
    for (const { name, kind } of await listDirectory(place)) {
      const written = paths.includes(`${folder}/${name}`)
      if (kind === "file" && networkFile.test(name) && !written) await removePath(joinPath(place, name))
    }
  }
  for (const path of paths) {
    const parts = path.split("/")
    await moveFile(joinPath(from, ...parts), joinPath(to, ...parts))
  }
}
