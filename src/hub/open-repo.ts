import { statFile } from "#platform/files"
import { openFolder } from "#platform/folder"
import type { ChosenFolder } from "./chosen-folder.ts"
import { HubError } from "./errors.ts"
import { LocalRepo } from "./local-repo.ts"
import { isRepoId, printable } from "./names.ts"
import type { HubOptions } from "./options.ts"
import type { Repo } from "./repo.ts"
import { resolveSettings } from "./settings.ts"

/** Where a model is: a Hub id, a folder's path, or a folder that a visitor of a page chose. */
export type ModelLocation = string | ChosenFolder

/**
 * Opens a model's files: a local folder, or a Hub repository by its id (`"google/ncsnpp-ffhq-1024"`).
 *
 * A folder of that name comes first. The revision of a Hub repository is resolved to a commit once, and everything
 * read through the result comes from that commit. When the Hub can't be reached, what the cache holds of the
 * revision is used, and `offline` says why.
 *
 * @throws HubError `INVALID_ID`, `LOCAL_NOT_FOUND`, `INVALID_OPTION`, `INVALID_REVISION`, `REPO_NOT_FOUND`,
 * `REVISION_NOT_FOUND`, `GATED`, `UNAUTHORIZED`, `OFFLINE`, `DOWNLOAD_FAILED`, `INVALID_RESPONSE`.
 */
export async function openRepo(location: ModelLocation, options: HubOptions = {}): Promise<Repo> {
  const settings = await resolveSettings(options)
  if (typeof location !== "string") {
    // What callers without types may give.
    if (typeof location !== "object" || location === null) {
      throw new HubError("INVALID_ID", `A model can't be found by ${String(location)}.`, {
        hint: 'Give the id of a Hub repository ("owner/name"), the path of a folder, or a chosen folder.',
      })
    }
    if (location instanceof URL) {
      throw new HubError(
        "INVALID_ID",
        `A model can't be loaded from an address: ${printable(location.href)}.`,
        {
          hint: 'Give the id of a Hub repository ("owner/name"), or the path of a folder.',
        },
      )
    }
    const { openChosenFolder } = await import("./chosen-folder.ts")
    const { name, folder } = await openChosenFolder(location)
    return new LocalRepo(name, folder, settings)
  }
  const idOrPath = location
  const folder = idOrPath === "" ? undefined : await openFolder(idOrPath)
  if (folder !== undefined) return new LocalRepo(idOrPath, folder, settings)
  const found = idOrPath === "" ? undefined : await statFile(idOrPath).catch(() => undefined)
  if (found?.kind === "file") {
    throw new HubError(
      "LOCAL_NOT_FOUND",
      `${printable(idOrPath)} is a file, but a model is loaded from its folder.`,
      {
        hint: "Give the folder that holds the model's model_index.json or config.json, with its weights beside or below.",
      },
    )
  }
  if (/^(?:\.{0,2}|~|[A-Za-z]:)[/\\]/.test(idOrPath)) {
    throw new HubError("LOCAL_NOT_FOUND", `There is no folder ${printable(idOrPath)}.`, {
      hint: "Give the folder that holds the model's model_index.json or config.json.",
    })
  }
  if (!isRepoId(idOrPath)) {
    throw new HubError(
      "INVALID_ID",
      `"${printable(idOrPath)}" is neither a folder that is here nor the id of a Hub repository.`,
      { hint: 'An id has the form "owner/name", with letters, digits, "-", "_" and ".".' },
    )
  }
  // Whoever stays with local folders doesn't load the downloader.
  const { openHubRepo } = await import("./open-hub-repo.ts")
  return await openHubRepo(idOrPath, settings)
}
