import { ScoreSdeError } from "../errors.ts"

/**
 * What was wrong with weights.
 *
 * - `FORMAT_UNKNOWN`: neither safetensors, nor an index of shards, nor a PyTorch file
 * - `LFS_POINTER`: a git-lfs pointer lies where the weights should be
 * - `TRUNCATED`: the file ends before its own header says
 * - `MALFORMED`: the file contradicts itself or its format
 * - `TOO_LARGE`: a size in the file is beyond what any real checkpoint needs
 * - `UNSAFE_PICKLE`: a pickle names something outside the allow-list; nothing of it was run
 * - `UNSAFE_PATH`: an entry or a shard name that leaves its folder
 * - `UNSUPPORTED`: well-formed, but of a kind that is not read here
 * - `TENSOR_UNKNOWN`: a tensor was asked for that the file does not hold
 * - `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED`: the file does not fit the model
 * - `CONFIG_MISMATCH`: the file's tensors fit, but it was made with another configuration
 * - `TENSOR_NOT_FINITE`: a tensor holds NaN or an infinity
 */
export type WeightsErrorCode =
  | "FORMAT_UNKNOWN"
  | "LFS_POINTER"
  | "TRUNCATED"
  | "MALFORMED"
  | "TOO_LARGE"
  | "UNSAFE_PICKLE"
  | "UNSAFE_PATH"
  | "UNSUPPORTED"
  | "TENSOR_UNKNOWN"
  | "TENSOR_MISSING"
  | "TENSOR_MISSHAPEN"
  | "TENSOR_UNEXPECTED"
  | "CONFIG_MISMATCH"
  | "TENSOR_NOT_FINITE"

/** Weights could not be read, or do not fit the model. */
export class WeightsError extends ScoreSdeError<WeightsErrorCode> {
  override readonly name: string = "WeightsError"
}
