/** The part of ONNX Runtime's JavaScript API that sessions use; `onnxruntime-node` and `-web` are such modules. */
export type OrtModule = Pick<typeof import("onnxruntime-common"), "InferenceSession" | "Tensor" | "env">

/** Where the files of ONNX Runtime's WebAssembly build are, by absolute address. */
export interface WasmFiles {
  readonly wasm: string
  /** The program around it. Default: the one in this library's bundle. */
  readonly mjs?: string
}

/** A folder with ONNX Runtime's WebAssembly file under its own name, or the addresses of the files. */
export type WasmPaths = string | { readonly wasm: string; readonly mjs?: string }

/** An ONNX Runtime that is ready to make sessions. */
export interface LoadedOrt {
  readonly module: OrtModule
  /** Whether it opens model files and their external data itself, rather than needing their bytes. */
  readonly readsFiles: boolean
  /** Makes a GPU device such as its WebGPU sessions need; absent where it makes its own. */
  readonly requestGpu?: () => Promise<GPUDevice>
}
