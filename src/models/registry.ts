import type { Repo } from "../hub/repo.ts"
import type { ModelOptions } from "./network-model.ts"
import type { ScoreNetworkModel } from "./score-sde/model.ts"
import type { UNet2DModel } from "./unet2d/model.ts"

/** Any network of this library; `instanceof` tells which. */
export type AnyNetwork = UNet2DModel | ScoreNetworkModel

/** A network's class, as far as a loader needs it. */
export interface NetworkClass {
  readonly className: string
  /** What `model_index.json` calls the library that has it. Default: Diffusers. */
  readonly library?: string
  fromRepo(repo: Repo, component: string, options: ModelOptions): Promise<AnyNetwork>
}
