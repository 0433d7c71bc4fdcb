import type { LocalFolder } from "../local-folder.ts"

/** A page can't reach a folder by its name, so there is never one. */
export async function openFolder(_path: string): Promise<LocalFolder | undefined> {
  return undefined
}
