import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { expandPath, hubHome, readEnv } from "./hub-home.ts"

export { readEnv }

/** The folder of the Hub's cache: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, else `hub` in {@link hubHome}. */
export function hubCacheDir(explicit: string | undefined): string {
  if (explicit !== undefined) return resolve(explicit)
  const named = readEnv("HF_HUB_CACHE") ?? readEnv("HUGGINGFACE_HUB_CACHE")
  return resolve(named === undefined ? join(hubHome(), "hub") : expandPath(named))
}

/** What to do when the cache is full, or can't be used. */
export const roomHint: string = "Make room, or choose another place with the cacheDir option or HF_HUB_CACHE."
export const cacheHint: string =
  "Check the cache folder, or choose another with the cacheDir option or HF_HUB_CACHE."

/** The token that `hf auth login` stored: in the file `HF_TOKEN_PATH`, else `token` in {@link hubHome}. */
export async function storedToken(): Promise<string | undefined> {
  const named = readEnv("HF_TOKEN_PATH")
  const path = named === undefined ? join(hubHome(), "token") : expandPath(named)
  const text = await readFile(path, "utf8").catch(() => "")
  return text.trim() || undefined
}
