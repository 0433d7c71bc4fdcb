import type { RuntimeError } from "./errors.ts"

/** Where a session can run. */
export type ResolvedDevice = "cpu" | "cuda" | "webgpu" | "dml" | "coreml" | "wasm"

/**
 * A device as users name it. `auto` is, in Node, CUDA, DirectML or CoreML where they are usable, then the CPU,
 * and WebAssembly when the native binary is missing; in browsers WebGPU, then WebAssembly.
 * WebGPU in Node is experimental and only used when asked for.
 */
export type Device = "auto" | ResolvedDevice

/** A device that was tried in vain. */
export interface DeviceAttempt {
  readonly device: ResolvedDevice
  readonly error: RuntimeError
}
