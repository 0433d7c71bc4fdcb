import type { ByteSource } from "../../platform/byte-source.ts"
import { WeightsError } from "../../weights/errors.ts"
import { openFlaxFile, startsAsFlax } from "../../weights/flax-file.ts"
import { openTorchFile } from "../../weights/torch-file.ts"
import type { WeightsFile } from "../../weights/weights-file.ts"
import { checkpointTensors, type ScoreNetworkConfig } from "../score-network.ts"
import { flaxCheckpoint } from "./flax-checkpoint.ts"
import { torchCheckpoint } from "./torch-checkpoint.ts"

/** Which weights of a checkpoint are wanted. */
export interface ScoreCheckpointOptions {
  /** The weights as they were last trained, and not their running average, which samples better. Default false. */
  readonly rawWeights?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The network in a checkpoint of score_sde. */
export interface ScoreCheckpoint {
  /** By the names that {@link checkpointTensors} gives. Closing it closes the checkpoint. */
  readonly weights: WeightsFile
  readonly framework: "pytorch" | "flax"
  /** Whether the weights are the running average; undefined for a file that doesn't tell. */
  readonly averaged: boolean | undefined
  /** Training steps that were done, where the file tells. */
  readonly step: number | undefined
}

/**
 * Opens a checkpoint of score_sde, in the form of its PyTorch or its JAX version, and checks that it is of the given
 * configuration. Names and shapes are read now; each tensor when it is asked for, by its range. The result owns
 * `source`, which is closed when opening fails.
 *
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED`, which name the first tensors that
 * differ, `CONFIG_MISMATCH`, `FORMAT_UNKNOWN`, and what reading the two forms throws; AbortError.
 */
export async function openScoreCheckpoint(
  source: ByteSource,
  config: ScoreNetworkConfig,
  options: ScoreCheckpointOptions = {},
): Promise<ScoreCheckpoint> {
  try {
    return await openByFirstByte(source, config, options)
  } catch (error) {
    await source.close()
    throw error
  }
}

async function openByFirstByte(
  source: ByteSource,
  config: ScoreNetworkConfig,
  options: ScoreCheckpointOptions,
): Promise<ScoreCheckpoint> {
  const { signal } = options
  const tensors = checkpointTensors(config)
  const [first = 0] = await source.read(0, Math.min(1, source.size), signal)
  if (startsAsFlax(first)) return await flaxCheckpoint(await openFlaxFile(source, signal), tensors, options)
  // A zip archive, or a pickle.
  if (first === 0x50 || first === 0x80) {
    return await torchCheckpoint(await openTorchFile(source, signal), tensors, config.model, options)
  }
  throw new WeightsError(
    "FORMAT_UNKNOWN",
    `${source.name} is neither a PyTorch nor a Flax checkpoint: its first byte is 0x${first.toString(16)}.`,
    { hint: "score_sde's checkpoints are called checkpoint_N.pth (PyTorch) and checkpoint_N (JAX)." },
  )
}
