import type { LocalFolder } from "../local-folder.ts"
import type { DerivedFileStore, StoredFile } from "../repo-store.ts"
import {
  joinPath,
  listDirectory,
  makeDirectory,
  openFile,
  removePath,
  statFile,
  writeFileAtomic,
} from "./files.ts"
import { createHasher } from "./hash.ts"

const maxDepth = 12
const ownFolder = ".score-sde"

/**
 * The folder at `path` in the origin private file system, where `savePretrained` writes; `undefined` when nothing,
 * or no folder, is there.
 */
export async function openFolder(path: string): Promise<LocalFolder | undefined> {
  let root: FileSystemDirectoryHandle
  try {
    root = await navigator.storage.getDirectory()
    for (const name of joinPath(path).split("/")) root = await root.getDirectoryHandle(name)
  } catch {
    // Nothing there, not a folder, not a name that one can have, or no file system for this page.
    return undefined
  }
  const files = await listFiles(root, "", 0)
  const version = shortHash(files.map(file => `${file.path}\n${file.size}\n${file.modified}\n`).join())
  const versions = joinPath(ownFolder, shortHash(joinPath(path)))
  return {
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    localPath: file => joinPath(path, file),
    open: file => openFile(joinPath(path, file)),
    derivedFile: name => derivedFileIn(versions, version, name),
  }
}

interface ListedFile extends StoredFile {
  readonly modified: number
}

async function listFiles(
  folder: FileSystemDirectoryHandle,
  prefix: string,
  depth: number,
): Promise<ListedFile[]> {
  const found: ListedFile[] = []
  for await (const entry of folder.values()) {
    const path = prefix + entry.name
    if (entry.kind === "file") {
      const { size, lastModified } = await (entry as FileSystemFileHandle).getFile()
      found.push({ path, size, modified: lastModified })
    } else if (depth < maxDepth) {
      found.push(...(await listFiles(entry as FileSystemDirectoryHandle, `${path}/`, depth + 1)))
    }
  }
  return found
}

function derivedFileIn(versions: string, version: string, name: string): DerivedFileStore {
  const path = joinPath(versions, version, name)
  const exists = async (): Promise<boolean> => (await statFile(path))?.kind === "file"
  return {
    localPath: async () => ((await exists()) ? path : undefined),
    open: async () => ((await exists()) ? await openFile(path) : undefined),
    async write(content) {
      await makeDirectory(joinPath(versions, version))
      await writeFileAtomic(path, content)
      for (const other of await listDirectory(versions)) {
        if (other.name !== version) await removePath(joinPath(versions, other.name))
      }
    },
  }
}

function shortHash(text: string): string {
  const hash = createHasher("sha256")
  hash.update(new TextEncoder().encode(text))
  return hash.hex().slice(0, 32)
}
