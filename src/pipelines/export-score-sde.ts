import type { ScoreSdeConfigName } from "../configs/names.ts"
import type { ScoreSdeConfig } from "../configs/score-sde-config.ts"
import type { SaveOptions } from "./save-pretrained.ts"

export interface ExportScoreSdeOptions extends Omit<SaveOptions, "onWarning"> {
  /** The weights as they were last trained, and not their running average, which samples better. Default false. */
  readonly rawWeights?: boolean | undefined
}

/** Where a model came from; its `model_index.json` has it as `score_sde`, in snake_case. */
export interface ScoreSdeOrigin {
  /** Of the file. */
  readonly checkpoint: string
  readonly sha256: string
  readonly framework: "pytorch" | "flax"
  /** The configuration's name; null for a user's own. */
  readonly config: ScoreSdeConfigName | null
  /** Training steps; null where the file doesn't tell. */
  readonly step: number | null
  /** The running average, or as last trained; null where the file doesn't tell. */
  readonly weights: "ema" | "raw" | null
}

/**
 * Writes a checkpoint of score_sde, from its PyTorch (`checkpoint_24.pth`) or its JAX version (`checkpoint_24`), as a
 * folder that {@link ScoreSdePipeline} loads: safetensors by the PyTorch names, an ONNX graph, the SDE with the
 * configuration's sampler, and where it came from.
 *
 * ```ts
 * await exportScoreSde("checkpoint_24.pth", "ve/cifar10_ncsnpp_continuous", "cifar10")
 * const pipe = await DiffusionPipeline.fromPretrained("cifar10")
 * ```
 *
 * @param checkpoint - The path of a file; or a file that a page's visitor chose.
 * @param config - The name of one of score_sde's configurations, or one of your own.
 * @throws ConfigError; WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED` and `CONFIG_MISMATCH` for a
 *   checkpoint of another configuration, and others for what is broken or no checkpoint; FileError; AbortError.
 */
export async function exportScoreSde(
  checkpoint: string | File,
  config: ScoreSdeConfigName | ScoreSdeConfig,
  directory: string,
  options: ExportScoreSdeOptions = {},
): Promise<ScoreSdeOrigin> {
  const { writeScoreSdeFolder } = await import("./score-sde-folder.ts")
  return writeScoreSdeFolder(checkpoint, config, directory, options)
}
