/** The part of ONNX Runtime's JavaScript API that sessions use; `onnxruntime-node` and `-web` are such modules. */
export type OrtModule = Pick<typeof import("onnxruntime-common"), "InferenceSession" | "Tensor" | "env">

/** An ONNX Runtime that is ready to make sessions. */
export interface LoadedOrt {
  readonly module: OrtModule
  /** Whether it opens model files and their external data itself, rather than needing their bytes. */
  readonly readsFiles: boolean
}
