import { openFolder } from "#platform/folder"
import { openRepoStore } from "#platform/repo-store"
import { HubError } from "./errors.ts"
import { isDescribed, resolveRevision } from "./hub-api.ts"
import { HubRepo } from "./hub-repo.ts"
import { LocalRepo } from "./local-repo.ts"
import { isCommit, isRepoId, printable } from "./names.ts"
import type { HubOptions } from "./options.ts"
import type { Repo } from "./repo.ts"
import { type HubSettings, resolveSettings } from "./settings.ts"
import { formatTree, parseTree } from "./tree-file.ts"

/**
 * Opens a model's files: a local folder, or a Hub repository by its id (`"google/ncsnpp-ffhq-1024"`).
 *
 * A folder of that name comes first. The revision of a Hub repository is resolved to a commit once, and everything
 * read through the result comes from that commit. When the Hub can't be reached, what the cache holds of the
 * revision is used, and {@link Repo.offline} says why.
 *
 * @throws HubError `INVALID_ID`, `LOCAL_NOT_FOUND`, `INVALID_OPTION`, `INVALID_REVISION`, `REPO_NOT_FOUND`,
 * `REVISION_NOT_FOUND`, `GATED`, `UNAUTHORIZED`, `OFFLINE`, `DOWNLOAD_FAILED`, `INVALID_RESPONSE`.
 */
export async function openRepo(idOrPath: string, options: HubOptions = {}): Promise<Repo> {
  const settings = await resolveSettings(options)
  const folder = idOrPath === "" ? undefined : await openFolder(idOrPath)
  if (folder !== undefined) return new LocalRepo(idOrPath, folder, settings)
  if (/^(?:\.{0,2}|~|[A-Za-z]:)[/\\]/.test(idOrPath)) {
    throw new HubError("LOCAL_NOT_FOUND", `There is no folder ${printable(idOrPath)}.`)
  }
  if (!isRepoId(idOrPath)) {
    throw new HubError(
      "INVALID_ID",
      `"${printable(idOrPath)}" is neither a folder that is here nor the id of a Hub repository.`,
      { hint: 'An id has the form "owner/name", with letters, digits, "-", "_" and ".".' },
    )
  }
  return await openHubRepo(idOrPath, settings)
}

async function openHubRepo(id: string, settings: HubSettings): Promise<HubRepo> {
  const { revision, endpoint, cacheDir, forceDownload } = settings
  const store = openRepoStore({ id, endpoint, cacheDir })
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
