import { InputError } from "../../errors.ts"
import type { ResolvedDevice } from "../device.ts"
import type { LoadedOrt, WasmFiles, WasmPaths } from "../ort-module.ts"
import { requestGpuDevice } from "./gpu-device.ts"

/** What `auto` stands for, best first. */
export const autoDevices: readonly ResolvedDevice[] = ["webgpu", "wasm"]

/** Every device that this platform may have. */
export const knownDevices: readonly ResolvedDevice[] = [...autoDevices]

/** Loads the ONNX Runtime that serves `device`. */
export async function loadOrt(
  _device: ResolvedDevice,
  threads: number | undefined,
  wasmFiles: WasmFiles | undefined,
): Promise<LoadedOrt> {
  // The default entry has the older WebGPU backend, which computes some Splits and Concats wrongly without an error.
  const ort = await import("onnxruntime-web/webgpu")
  ort.env.logLevel = "fatal"
  if (wasmFiles) ort.env.wasm.wasmPaths = wasmFiles
  // All of these are read once, when the first session of the worker is made. Threads need memory that only isolated pages may share.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated
    ? (threads ?? Math.min(navigator.hardwareConcurrency, 4))
    : 1
  return { module: ort, readsFiles: false, requestGpu: requestGpuDevice }
}

const wasmFileName = "ort-wasm-simd-threaded.asyncify.wasm"

/**
 * The files that `paths` means, seen from the page.
 *
 * @throws InputError `INVALID_ARGUMENT` for what is no address.
 */
export function resolveWasmPaths(paths: WasmPaths): WasmFiles {
  const resolve = (path: string, base: string = location.href): string => {
    if (typeof path === "string" && URL.canParse(path, base)) return new URL(path, base).href
    throw new InputError("INVALID_ARGUMENT", `wasmPaths holds "${path}", which is no address.`)
  }
  if (typeof paths === "string") return { wasm: resolve(wasmFileName, resolve(paths.replace(/\/?$/, "/"))) }
  return { wasm: resolve(paths.wasm), ...(paths.mjs !== undefined && { mjs: resolve(paths.mjs) }) }
}
