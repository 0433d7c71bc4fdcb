import { checkOptions, type OptionList, text } from "../check-options.ts"
import { ScoreSdeError } from "../errors.ts"
import { HubError } from "./errors.ts"
import { isCommit, isRepoId, printable } from "./names.ts"
import type { HubOptions } from "./options.ts"
import { resolveSettings } from "./settings.ts"

/** Which cache is meant, and of a repository which revision; default: all revisions. */
export type ClearCacheOptions = Pick<HubOptions, "cache" | "cacheDir" | "endpoint" | "revision">

const clearCacheOptions: OptionList<ClearCacheOptions> = {
  type: "ClearCacheOptions",
  options: { cache: true, cacheDir: text, endpoint: text, revision: text },
}

/** What {@link clearCache} did. */
export interface ClearedCache {
  /** Bytes that were freed. */
  readonly bytes: number
}

/**
 * Removes a Hub repository from the cache, with what was converted from it and what an interrupted download left; with
 * `revision` only that one, and of its files those that no other revision shares. In Node this is the cache that
 * Python shares: the repository is gone for Python too, and no program should be using it meanwhile.
 *
 * Without an id: in a browser all that this library keeps for the page's origin; in Node what it has made itself
 * (converted models), while the downloads, which may not be its own, stay.
 *
 * @throws HubError `INVALID_ID`, `INVALID_REVISION`, `CACHE_FAILED`.
 */
export async function clearCache(id?: string, options: ClearCacheOptions = {}): Promise<ClearedCache> {
  checkOptions("clearCache", options, clearCacheOptions)
  const { revision, ...where } = options
  const settings = await resolveSettings({ ...where, ...(revision !== undefined && { revision }) })
  if (id !== undefined && !isRepoId(id)) {
    throw new HubError("INVALID_ID", `"${printable(String(id))}" is not the id of a Hub repository.`, {
      hint: "Models in folders are not in the cache.",
    })
  }
  const { clearStores, openRepoStore } = await import("#platform/repo-store")
  try {
    if (id === undefined) return { bytes: await clearStores(settings) }
    const store = openRepoStore({ ...settings, id })
    if (revision === undefined) return { bytes: await store.clear() }
    const commit = isCommit(revision) ? revision : await store.readRef(revision)
    return { bytes: commit === undefined ? 0 : await store.clear(commit) }
  } catch (cause) {
    if (!(cause instanceof ScoreSdeError)) throw cause
    throw new HubError("CACHE_FAILED", `The cache could not be cleared: ${cause.message}`, { cause })
  }
}
