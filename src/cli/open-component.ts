import { openRepo } from "../hub/open-repo.ts"
import type { HubOptions } from "../hub/options.ts"
import type { Repo } from "../hub/repo.ts"

/** Opens a model, which may be a pipeline's repository (its network is `unet`) or that of a network alone. */
export async function openComponent(
  model: string,
  options: HubOptions,
): Promise<{ readonly repo: Repo; readonly component: string }> {
  const repo = await openRepo(model, options)
  return { repo, component: repo.has("model_index.json") ? "unet" : "" }
}
