import { derivedFilesOf } from "#platform/folder"
import { blobSource } from "../platform/byte-source.ts"
import { domFailAsFileError } from "../platform/dom-failure.ts"
import { FileError } from "../platform/file-error.ts"
import {
  type ChosenFile,
  type FolderHandle,
  listHandle,
  type OpenableFile,
} from "../platform/folder-handle.ts"
import { type LocalFolder, maxFolderFiles } from "../platform/local-folder.ts"
import { HubError } from "./errors.ts"
import { isSafePath } from "./names.ts"

/**
 * A folder that a visitor of a page chose: the handle that `showDirectoryPicker()` or a drop gives, or the files of
 * `<input type="file" webkitdirectory>`, or files that were chosen one by one.
 */
export type ChosenFolder = FolderHandle | ArrayLike<ChosenFile>

/** A folder with what to call it. */
export interface NamedFolder {
  readonly name: string
  readonly folder: LocalFolder
}

/**
 * Lists a folder that a page was handed.
 *
 * @throws HubError `LOCAL_NOT_FOUND` where there is no file in it; FileError.
 */
export async function openChosenFolder(chosen: ChosenFolder): Promise<NamedFolder> {
  const name = isHandle(chosen) ? chosen.name : folderName(chosen)
  const files = isHandle(chosen) ? await listHandle(chosen) : listChosen(chosen)
  const safe = files.filter(file => isSafePath(file.path)).sort((a, b) => (a.path < b.path ? -1 : 1))
  if (safe.length === 0) {
    throw new HubError("LOCAL_NOT_FOUND", `${name === "" ? "The choice" : name} holds no files.`, {
      hint: "Choose the folder that has the model's model_index.json or config.json.",
    })
  }
  const byPath = new Map(safe.map(file => [file.path, file]))
  return {
    name: name || "chosen files",
    folder: {
      files: safe,
      localPath: () => undefined,
      async open(path) {
        const file = byPath.get(path)
        if (file === undefined) throw new FileError("FILE_NOT_FOUND", `${name} has no file ${path}.`)
        return blobSource(path, await domFailAsFileError(path, () => file.getFile()))
      },
      derivedFile: derivedFilesOf(`chosen ${name}`, safe),
      reopened: async () => (await openChosenFolder(chosen)).folder,
    },
  }
}

function isHandle(chosen: ChosenFolder): chosen is FolderHandle {
  return (chosen as FolderHandle).kind === "directory"
}

/** The first part of all relative paths; empty where they have none, or differ. */
function folderName(files: ArrayLike<ChosenFile>): string {
  const names = Array.from(files, file => /^([^/]+)\//.exec(file.webkitRelativePath ?? "")?.[1] ?? "")
  return names.every(name => name === names[0]) ? (names[0] ?? "") : ""
}

function listChosen(chosen: ArrayLike<ChosenFile>): OpenableFile[] {
  if (chosen.length > maxFolderFiles) {
    throw new FileError("FILE_TOO_LARGE", `${chosen.length} files are more than ${maxFolderFiles}.`)
  }
  const name = folderName(chosen)
  return Array.from(chosen, file => {
    const path = file.webkitRelativePath || file.name
    return {
      path: name === "" ? path : path.slice(name.length + 1),
      size: file.size,
      modified: file.lastModified,
      getFile: async () => file,
    }
  })
}
