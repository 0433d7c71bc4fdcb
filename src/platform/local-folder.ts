import type { ByteSource } from "./byte-source.ts"
import type { DerivedFileStore, StoredFile } from "./repo-store.ts"

/** A folder with a model's files, listed when it was opened. Paths are relative, with `/` between parts. */
export interface LocalFolder {
  readonly files: readonly StoredFile[]
  /** The path of a file by which it can be opened anywhere; undefined in a folder that a page was handed. */
  localPath(file: string): string | undefined
  open(file: string): Promise<ByteSource>
  /** Kept outside the folder, under a key that changes when any of its files does. */
  derivedFile(name: string): DerivedFileStore
  /** The folder as it is now; undefined when it is gone. */
  reopened(): Promise<LocalFolder | undefined>
}

/** A file of a folder; `modified` in milliseconds since 1970. */
export interface ListedFile extends StoredFile {
  readonly modified: number
}

/** What changes when any of a folder's files does. */
export function folderState(files: readonly ListedFile[]): string {
  return files.map(file => `${file.path}\n${file.size}\n${file.modified}\n`).join()
}

/** A model's folder has tens of files; a tree of this many, or this deep, is something else. */
export const maxFolderFiles = 20_000
export const maxFolderDepth = 12
/** Git's and `huggingface_hub`'s own bookkeeping. */
export const skippedFolders: ReadonlySet<string> = new Set([".git", ".cache"])
