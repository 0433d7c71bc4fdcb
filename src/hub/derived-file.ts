import type { DerivedFileStore } from "../platform/repo-store.ts"
import { HubError } from "./errors.ts"
import type { DerivedFile } from "./repo.ts"

/** Gives a stored derived file its checked name. */
export function derivedFile(name: string, open: (name: string) => DerivedFileStore): DerivedFile {
  if (!/^\w[\w.-]{0,199}$/.test(name)) {
    throw new HubError("INVALID_PATH", `"${name}" is not a plain file name.`)
  }
  return { name, ...open(name) }
}
