/** Where a model can run: the execution providers of ONNX Runtime that are supported. */
export const devices = ["cpu", "cuda", "webgpu", "dml", "coreml", "wasm"] as const

export type ResolvedDevice = (typeof devices)[number]
