import { checkOptions } from "../../check-options.ts"
import type { ModelLocation } from "../../hub/open-repo.ts"
import type { Repo } from "../../hub/repo.ts"
import { loadNetwork, type ModelOptions, modelOptions, NetworkModel } from "../network-model.ts"
import { openModelRepo } from "../network-session.ts"
import { unet2d } from "./architecture.ts"
import type { UNet2DConfig } from "./config.ts"

/**
 * Diffusers' `UNet2DModel`: the network of the unconditional models (NCSN++, DDPM, …) on ONNX Runtime.
 *
 * ```ts
 * const unet = await UNet2DModel.fromPretrained("google/ncsnpp-ffhq-1024")
 * const score = await unet.forward(sample, 1348)
 * ```
 */
export class UNet2DModel extends NetworkModel<UNet2DConfig> {
  static readonly className: string = unet2d.className

  /**
   * Loads a model from a Hub id or a folder (also one that a visitor of a page chose): an ONNX graph where the
   * repository holds one, else its PyTorch weights, which are converted.
   *
   * @throws HubError, ConfigError, WeightsError, RuntimeError; InputError `INVALID_ARGUMENT`, and `SHAPE_MISMATCH` for a
   * graph of another size than asked where there are no weights; AbortError.
   */
  static async fromPretrained(location: ModelLocation, options: ModelOptions = {}): Promise<UNet2DModel> {
    checkOptions("fromPretrained", options, modelOptions)
    return UNet2DModel.fromRepo(await openModelRepo(location, options), "", options)
  }

  /** Loads a component of an open repository: from the folder of its name, or from the root where there is none. */
  static async fromRepo(repo: Repo, component: string, options: ModelOptions = {}): Promise<UNet2DModel> {
    return new UNet2DModel(unet2d, await loadNetwork(unet2d, { repo, component, options }))
  }
}
