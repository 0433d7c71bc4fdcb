import { mkdir, stat } from "node:fs/promises"
import { join } from "node:path"
import type { DerivedFileStore } from "../repo-store.ts"
import { failAsFileError } from "./file-failure.ts"
import { openFile, writeFileAtomic } from "./files.ts"

/** A file of our own making in `folder`, which is created by the first write. */
export function derivedFileIn(folder: string, name: string): DerivedFileStore {
  const path = join(folder, name)
  const exists = async (): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false
  return {
    localPath: async () => ((await exists()) ? path : undefined),
    open: async () => ((await exists()) ? openFile(path) : undefined),
    async write(content) {
      await failAsFileError(path, () => mkdir(folder, { recursive: true }))
      await writeFileAtomic(path, content)
    },
  }
}
