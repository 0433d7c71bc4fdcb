import { checkOptions } from "../../check-options.ts"
import type { ScoreSdeConfig } from "../../configs/score-sde-config.ts"
import type { ModelLocation } from "../../hub/open-repo.ts"
import type { Repo } from "../../hub/repo.ts"
import { loadNetwork, type ModelOptions, modelOptions, NetworkModel } from "../network-model.ts"
import { openModelRepo } from "../network-session.ts"
import { scoreNetwork } from "./architecture.ts"

/**
 * The networks of score_sde (`ncsnpp`, `ddpm`, `ncsnv2_64` …, `ncsn`) on ONNX Runtime, as its configurations have them.
 * The label of a picture is σ for a network with Fourier features; else it is a time or the number of a noise level.
 */
export class ScoreNetworkModel extends NetworkModel<ScoreSdeConfig> {
  static readonly className: string = scoreNetwork.className
  static readonly library: string = "score_sde"

  /**
   * Loads a model from a Hub id or a folder that `exportScoreSde` wrote: an ONNX graph where there is one, else
   * its weights, which are converted.
   *
   * @throws HubError, ConfigError, WeightsError, RuntimeError; InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`;
   *   AbortError.
   */
  static async fromPretrained(
    location: ModelLocation,
    options: ModelOptions = {},
  ): Promise<ScoreNetworkModel> {
    checkOptions("fromPretrained", options, modelOptions)
    return ScoreNetworkModel.fromRepo(await openModelRepo(location, options), "", options)
  }

  /** Loads a component of an open repository: from the folder of its name, or from the root where there is none. */
  static async fromRepo(
    repo: Repo,
    component: string,
    options: ModelOptions = {},
  ): Promise<ScoreNetworkModel> {
    return new ScoreNetworkModel(scoreNetwork, await loadNetwork(scoreNetwork, { repo, component, options }))
  }
}
