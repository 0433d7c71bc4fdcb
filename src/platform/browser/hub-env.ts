/** A browser has no environment variables. */
export function readEnv(_name: string): string | undefined {
  return undefined
}

/** The name of the cache (as `caches.open` takes it) that holds downloaded files. */
export function hubCacheDir(explicit: string | undefined): string {
  return explicit ?? "score-sde"
}

/** A browser has no stored token. */
export async function storedToken(): Promise<string | undefined> {
  return undefined
}
