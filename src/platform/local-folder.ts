import type { ByteSource } from "./byte-source.ts"
import type { DerivedFileStore, StoredFile } from "./repo-store.ts"

/** A folder with a model's files, listed when it was opened. Paths are relative, with `/` between parts. */
export interface LocalFolder {
  readonly files: readonly StoredFile[]
  localPath(file: string): string
  open(file: string): Promise<ByteSource>
  /** Kept outside the folder, under a key that changes when any of its files does. */
  derivedFile(name: string): DerivedFileStore
}
