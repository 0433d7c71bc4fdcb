/** A browser has no environment variables. */
export function readEnv(_name: string): string | undefined {
  return undefined
}

/** The name of the cache (as `caches.open` takes it) that holds downloaded files. */
export function hubCacheDir(explicit: string | undefined): string {
  return explicit ?? "score-sde"
}

/** What to do when the storage is full, or can't be used. */
export const roomHint: string =
  "Remove models that are no longer needed with clearCache(id), or load one that is smaller."
export const cacheHint: string = "Storage needs https or localhost, and a browser that isn't set to block it."

/** A browser has no stored token. */
export async function storedToken(): Promise<string | undefined> {
  return undefined
}
