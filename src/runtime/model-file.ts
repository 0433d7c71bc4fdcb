import { joinPath, readFile, statFile } from "#platform/files"
import { RuntimeError } from "./errors.ts"
import { externalDataFiles } from "./external-data.ts"
import { unreadableModel } from "./ort-errors.ts"
import type { ExternalData, ModelSource } from "./session.ts"

type ModelBytes = Extract<ModelSource, { readonly bytes: Uint8Array }>

/**
 * Checks that a model file is there.
 *
 * @throws RuntimeError `MODEL_NOT_FOUND`.
 */
export async function requireModelFile(path: string): Promise<void> {
  if (!(await isFile(path))) throw new RuntimeError("MODEL_NOT_FOUND", `There is no model file ${path}.`)
}

/**
 * Reads a model file and the files beside it that hold its weights.
 *
 * @throws RuntimeError `MODEL_INVALID` when a file that it names is missing or lies elsewhere, `MODEL_NOT_FOUND`.
 */
export async function readModelFile(path: string): Promise<ModelBytes> {
  const bytes = await readBytes(path)
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)
  const externalData: ExternalData[] = []
  for (const name of namedFiles(bytes)) {
    const escapes = name.split(/[/\\]/).includes("..") || /^([/\\]|\w:)/.test(name)
    const place = folder === "" ? name : joinPath(folder, name)
    if (escapes || !(await isFile(place))) throw missingWeights(name)
    externalData.push({ path: name, data: await readBytes(place) })
  }
  return { bytes, externalData }
}

/**
 * Checks that a model in memory brings all its weights. ONNX Runtime would look for a missing file in the
 * working directory, where a stranger's model has no business.
 *
 * @throws RuntimeError `MODEL_INVALID`.
 */
export function requireExternalData({ bytes, externalData = [] }: ModelBytes): void {
  for (const name of namedFiles(bytes)) {
    if (!externalData.some(({ path }) => path === name)) throw missingWeights(name)
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await unlessUnreadable(path, statFile(path)))?.kind === "file"
}

function readBytes(path: string): Promise<Uint8Array> {
  return unlessUnreadable(path, readFile(path))
}

async function unlessUnreadable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    throw new RuntimeError("MODEL_NOT_FOUND", `The model file ${path} can't be read.`, { cause })
  }
}

function namedFiles(bytes: Uint8Array): string[] {
  try {
    return externalDataFiles(bytes)
  } catch (cause) {
    throw unreadableModel(cause)
  }
}

function missingWeights(name: string): RuntimeError {
  return new RuntimeError("MODEL_INVALID", `The model's weights lie in "${name}", which is not there.`, {
    hint: "Keep the files of external data beside the model, or pass their contents as externalData.",
  })
}
