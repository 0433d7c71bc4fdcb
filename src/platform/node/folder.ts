import { createHash } from "node:crypto"
import { readdir, realpath, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { FileError } from "../file-error.ts"
import {
  folderState,
  type ListedFile,
  type LocalFolder,
  maxFolderDepth,
  maxFolderFiles,
  skippedFolders,
} from "../local-folder.ts"
import { derivedFileIn } from "./derived-file.ts"
import { failAsFileError } from "./file-failure.ts"
import { openFile } from "./files.ts"
import { assetsDir } from "./hub-home.ts"

/** The folder at `path`; `undefined` when nothing, or no folder, is there. */
export async function openFolder(path: string): Promise<LocalFolder | undefined> {
  const root = await realpath(path).catch(() => undefined)
  if (root === undefined || !(await stat(root)).isDirectory()) return undefined
  const files = await listFolder(root)
  const place = (file: string): string => join(root, ...file.split("/"))
  return {
    files,
    localPath: place,
    open: file => openFile(place(file)),
    derivedFile: derivedFilesOf(root, files),
    reopened: () => openFolder(root),
  }
}

/** Keeps what is made from the folder that `key` names, for as long as its files stay as they are. */
export function derivedFilesOf(key: string, files: readonly ListedFile[]): LocalFolder["derivedFile"] {
  const versions = join(assetsDir(), "score-sde", "folders", shortHash(key))
  const version = shortHash(folderState(files))
  return name => {
    const derived = derivedFileIn(join(versions, version), name)
    return {
      ...derived,
      async write(content) {
        await derived.write(content)
        await removeOthers(versions, version)
      },
    }
  }
}

/** All files below `root`, sorted by path, with links followed; none when `root` isn't there. */
export async function listFolder(root: string): Promise<ListedFile[]> {
  const found: ListedFile[] = []
  const visit = async (prefix: string, depth: number): Promise<void> => {
    if (depth > maxFolderDepth)
      throw new FileError("FILE_TOO_LARGE", `${join(root, prefix)} is too deep a folder.`)
    for (const name of await readdir(join(root, prefix))) {
      if (skippedFolders.has(name)) continue
      const path = `${prefix}${name}`
      // A link that leads nowhere is no file.
      const stats = await stat(join(root, path)).catch(() => undefined)
      if (stats?.isDirectory()) await visit(`${path}/`, depth + 1)
      else if (stats?.isFile()) found.push({ path, size: stats.size, modified: stats.mtimeMs })
      if (found.length > maxFolderFiles) {
        throw new FileError("FILE_TOO_LARGE", `${root} holds more than ${maxFolderFiles} files.`)
      }
    }
  }
  if ((await stat(root).catch(() => undefined)) === undefined) return []
  await failAsFileError(root, () => visit("", 0))
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function removeOthers(folder: string, kept: string): Promise<void> {
  for (const name of await readdir(folder)) {
    // What another process still has open may refuse; it goes with the next write.
    if (name !== kept) await rm(join(folder, name), { recursive: true, force: true }).catch(() => {})
  }
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32)
}
