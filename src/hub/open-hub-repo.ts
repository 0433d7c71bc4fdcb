import { openRepoStore } from "#platform/repo-store"
import { HubError } from "./errors.ts"
import { isDescribed, resolveRevision } from "./hub-api.ts"
import { HubRepo } from "./hub-repo.ts"
import { isCommit } from "./names.ts"
import type { HubSettings } from "./settings.ts"
import { formatTree, parseTree } from "./tree-file.ts"

/** Opens a repository at the Hub, or what the cache holds of it; see `openRepo`. */
export async function openHubRepo(id: string, settings: HubSettings): Promise<HubRepo> {
  const { revision, endpoint, cacheDir, cache, forceDownload } = settings
  const store = openRepoStore({ id, endpoint, cacheDir, cache })
  const cached = isCommit(revision) ? revision : await store.readRef(revision)

  const openCached = async (offline: string): Promise<HubRepo | undefined> => {
    if (cached === undefined) return undefined
    const listed = (await store.list(cached)).map(({ path, size }) => ({ path, size }))
    if (listed.length === 0) return undefined
    const known = parseTree((await store.readTree(cached)) ?? "")
    return new HubRepo({ id, commit: cached, listed, known, offline, store, settings })
  }

  if (settings.offline !== undefined) {
    const repo = await openCached(settings.offline)
    if (repo !== undefined) return repo
    throw new HubError(
      "OFFLINE",
      `${id} at ${revision} is not in the cache ${cacheDir}. ${settings.offline}`,
      {
        hint: "Load the model once with a connection; it can be used without one afterwards.",
      },
    )
  }

  // A commit never changes, so there is nothing to ask once its listing is known.
  if (isCommit(revision) && !forceDownload) {
    const listed = parseTree((await store.readTree(revision)) ?? "")
    if (listed) return new HubRepo({ id, commit: revision, listed, offline: undefined, store, settings })
  }

  const retries = cached === undefined ? settings.retries : Math.min(1, settings.retries)
  try {
    const { commit, files } = await resolveRevision(id, revision, { ...settings, retries })
    const complete = files.filter(isDescribed)
    if (complete.length === files.length) await store.rememberTree(commit, formatTree(complete))
    if (commit !== revision) await store.rememberRef(revision, commit)
    return new HubRepo({ id, commit, listed: files, offline: undefined, store, settings })
  } catch (error) {
    const unavailable = error instanceof HubError && /^(?:OFFLINE|DOWNLOAD_FAILED)$/.test(error.code)
    const repo = unavailable && !forceDownload ? await openCached(error.message) : undefined
    if (repo === undefined) throw error
    return repo
  }
}
