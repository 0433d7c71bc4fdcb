import { HubError } from "./errors.ts"
import type { HubOptions } from "./options.ts"
import type { Repo } from "./repo.ts"

/**
 * Opens a model's files: a local folder, or a Hub repository by its id (`"google/ncsnpp-ffhq-1024"`).
 *
 * The revision is resolved to a commit once; everything read through the repository comes from that commit.
 */
export async function openRepo(idOrPath: string, _options: HubOptions = {}): Promise<Repo> {
  throw new HubError("INVALID_ID", `Not built yet: ${idOrPath}.`)
}
