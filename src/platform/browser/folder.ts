import { listHandle } from "../folder-handle.ts"
import { folderState, type ListedFile, type LocalFolder } from "../local-folder.ts"
import type { DerivedFileStore } from "../repo-store.ts"
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

const ownFolder = ".score-sde/folders"

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
  const files = await listHandle(root)
  return {
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    localPath: file => joinPath(path, file),
    open: file => openFile(joinPath(path, file)),
    derivedFile: derivedFilesOf(joinPath(path), files),
    reopened: () => openFolder(path),
  }
}

/** Keeps what is made from the folder that `key` names, for as long as its files stay as they are. */
export function derivedFilesOf(key: string, files: readonly ListedFile[]): LocalFolder["derivedFile"] {
  const version = shortHash(folderState(files))
  return name => derivedFileIn(joinPath(ownFolder, shortHash(key)), version, name)
}

/** Removes what was made from folders; returns the bytes that this freed. */
export async function clearDerivedFiles(): Promise<number> {
  const kept = await openFolder(ownFolder)
  if (kept) await removePath(ownFolder)
  return (kept?.files ?? []).reduce((sum, file) => sum + file.size, 0)
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
