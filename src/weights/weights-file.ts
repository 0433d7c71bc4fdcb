import type { DType, Tensor } from "../tensor.ts"

/** What a file says about one tensor before its data is read. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** Named tensors in one or more open files. Only headers are read on opening; tensors are read one by one. */
export interface WeightsFile {
  /** What errors call it: the name of the file, or of the index of shards. */
  readonly name: string
  readonly format: "safetensors" | "torch" | "flax"
  /** Free text of the file's header (`{ format: "pt" }` in Diffusers' files); empty for the others. */
  readonly metadata: Readonly<Record<string, string>>
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /**
   * Reads one tensor, row-major, in the type that the file stores.
   *
   * @throws WeightsError `TENSOR_UNKNOWN` for a name that the file does not hold.
   */
  read(name: string, signal?: AbortSignal): Promise<Tensor>
  /**
   * Reads one tensor of any floating-point type as float32 into `target`, which must have exactly its number of
   * elements. Float64 is rounded to nearest.
   *
   * @throws WeightsError `TENSOR_UNKNOWN`; `UNSUPPORTED` for a tensor of integers or booleans.
   * @throws InputError `SHAPE_MISMATCH` when `target` has another number of elements.
   */
  readFloat32Into(name: string, target: Float32Array, signal?: AbortSignal): Promise<void>
  close(): Promise<void>
}
