import { abortSignal, checkOptions, labels, number, type OptionList } from "../check-options.ts"
import type { ClassLabels } from "../models/class-labels.ts"
import type { AnyNetwork } from "../models/registry.ts"
import type { ScoreDivergence } from "../sde/divergence.ts"
import { scoreDivergence, scoreFunction } from "../sde/network-score.ts"
import type { ScoreFunction, SDE } from "../sde/sde.ts"
import type { PcDefaults } from "./sampler-settings.ts"

/**
 * What a pipeline's network stands for: the score of an SDE. All of the SDE's samplers, its likelihood and its latents
 * work on it.
 */
export interface ScoreModel {
  readonly sde: SDE
  readonly score: ScoreFunction
  /** The score with its divergence, from the network's vector–Jacobian product. */
  readonly divergence: ScoreDivergence
  /** Black and white of the model's pictures: [0, 1] or [−1, 1]. */
  readonly range: readonly [black: number, white: number]
  /** What one picture is shaped like. */
  readonly shape: readonly [channels: number, height: number, width: number]
  /** How predictor–corrector sampling goes unless a call says otherwise. */
  readonly pc?: PcDefaults | undefined
}

/** How a pipeline's network is used. */
export interface ScoreModelOptions {
  /** Steps that the SDE's discretisation divides time into. Default: those of the training. */
  readonly N?: number | undefined
  /** For a class-conditional network: the class of all pictures, or one for each. */
  readonly classLabels?: ClassLabels | undefined
  /** Stops the evaluation of the network. */
  readonly signal?: AbortSignal | undefined
}

const scoreModelOptions: OptionList<ScoreModelOptions> = {
  type: "ScoreModelOptions",
  options: { N: number, classLabels: labels, signal: abortSignal },
}

/** A network as it is called for a score; every model of a pipeline is one. */
type ScoreNetwork = Pick<AnyNetwork, "inChannels" | "size" | "forward" | "vjp">

/**
 * The score that a network trained on the times of an SDE stands for.
 *
 * @param trained - What the network was trained on, where that isn't the continuous times of `sde`.
 */
export function networkScoreModel(
  network: ScoreNetwork,
  sde: SDE,
  range: ScoreModel["range"],
  scoreOptions: ScoreModelOptions,
  pc: PcDefaults,
  trained: { readonly sde: SDE; readonly continuous: boolean } = { sde, continuous: true },
): ScoreModel {
  checkOptions("scoreModel", scoreOptions, scoreModelOptions)
  const { classLabels, signal } = scoreOptions
  const options = { ...(classLabels !== undefined && { classLabels }), ...(signal && { signal }) }
  return {
    sde,
    score: scoreFunction(trained.sde, (x, labels) => network.forward(x, labels, options), trained),
    divergence: scoreDivergence(trained.sde, (x, labels, v) => network.vjp(x, labels, v, options), trained),
    range,
    pc,
    shape: [network.inChannels, ...network.size],
  }
}
