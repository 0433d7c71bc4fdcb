import { domFailAsFileError } from "./dom-failure.ts"
import { FileError } from "./file-error.ts"
import { type ListedFile, maxFolderDepth, maxFolderFiles, skippedFolders } from "./local-folder.ts"

/** A file as a page is handed it; a browser's `File` is one. */
export interface ChosenFile extends Blob {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly lastModified: number
  /** Path below the folder that was chosen, which it begins with; empty for files that were chosen one by one. */
  readonly webkitRelativePath?: string
}

/** A handle of a folder; a browser's `FileSystemDirectoryHandle` is one. */
export interface FolderHandle {
  readonly kind: "directory"
  readonly name: string
  values(): AsyncIterable<{ readonly kind: "file" | "directory"; readonly name: string }>
}

interface FileHandle {
  getFile(): Promise<ChosenFile>
}

/** A file of a folder, with the way to its bytes. */
export interface OpenableFile extends ListedFile {
  getFile(): Promise<ChosenFile>
}

/**
 * All files below a folder.
 *
 * @throws FileError `FILE_TOO_LARGE` for a tree of more files than a model's folder has, `FILE_ACCESS_DENIED`, ….
 */
export async function listHandle(folder: FolderHandle): Promise<OpenableFile[]> {
  const found: OpenableFile[] = []
  const visit = async (directory: FolderHandle, prefix: string, depth: number): Promise<void> => {
    if (depth > maxFolderDepth) {
      throw new FileError("FILE_TOO_LARGE", `${folder.name}/${prefix} is too deep a folder.`)
    }
    for await (const entry of directory.values()) {
      const path = prefix + entry.name
      if (entry.kind === "directory") {
        if (skippedFolders.has(entry.name)) continue
        await visit(entry as FolderHandle, `${path}/`, depth + 1)
      } else {
        const getFile = () => (entry as unknown as FileHandle).getFile()
        const { size, lastModified } = await getFile()
        found.push({ path, size, modified: lastModified, getFile })
      }
      if (found.length > maxFolderFiles) {
        throw new FileError("FILE_TOO_LARGE", `${folder.name} holds more than ${maxFolderFiles} files.`)
      }
    }
  }
  await domFailAsFileError(folder.name, () => visit(folder, "", 0))
  return found
}
