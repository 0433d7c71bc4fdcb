import { randomUUID } from "node:crypto"
import { rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { listDirectory, statFile } from "#platform/files"
import { InputError } from "../errors.ts"
import { failAsFileError } from "../platform/node/file-failure.ts"

/**
 * Finds out whether a file can be written, before the work whose result it shall hold. Missing folders are not made.
 *
 * @throws InputError when a folder stands there; FileError `FILE_ACCESS_DENIED`, `FILE_WRONG_KIND`, `NO_SPACE`.
 */
export async function checkOutputFile(path: string): Promise<void> {
  if ((await statFile(path))?.kind === "directory") {
    throw new InputError("INVALID_ARGUMENT", `${path} is a folder, but a file is to be written there.`)
  }
  await checkWritable(dirname(resolve(path)))
}

/**
 * Finds out whether files can be written into a folder, which need not exist yet.
 *
 * @throws InputError when a file stands there; FileError as {@link checkOutputFile}.
 */
export async function checkOutputFolder(path: string): Promise<void> {
  if ((await statFile(path))?.kind === "file") {
    throw new InputError("INVALID_ARGUMENT", `${path} is a file, but a folder is to be written there.`)
  }
  await checkWritable(resolve(path))
}

/** Whether a folder is missing or holds nothing. */
export async function isVacant(path: string): Promise<boolean> {
  return (await statFile(path)) === undefined || (await listDirectory(path)).length === 0
}

/** Writes and removes a file in the folder, or in the first above it that exists: permissions alone don't tell. */
async function checkWritable(folder: string): Promise<void> {
  const found = await statFile(folder)
  if (found === undefined && dirname(folder) !== folder) return await checkWritable(dirname(folder))
  const probe = join(folder, `.${randomUUID()}.tmp`)
  await failAsFileError(folder, () => writeFile(probe, "").then(() => rm(probe)))
}
