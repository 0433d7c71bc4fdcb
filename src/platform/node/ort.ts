import { availableParallelism } from "node:os"
import type { ResolvedDevice } from "../device.ts"
import type { LoadedOrt, WasmFiles, WasmPaths } from "../ort-module.ts"

const accelerators: Partial<Record<NodeJS.Platform, readonly ResolvedDevice[]>> = {
  linux: ["cuda"],
  win32: ["dml"],
  darwin: ["coreml"],
}

/** What `auto` stands for, best first. WebAssembly is reached only when the native binary is missing. */
export const autoDevices: readonly ResolvedDevice[] = [
  ...(accelerators[process.platform] ?? []),
  "cpu",
  "wasm",
]

/** Every device that this platform may have. WebGPU is experimental here, and so never chosen by `auto`. */
export const knownDevices: readonly ResolvedDevice[] = [...autoDevices, "webgpu"]

/** Loads the ONNX Runtime that serves `device`. */
export async function loadOrt(device: ResolvedDevice, threads: number | undefined): Promise<LoadedOrt> {
  if (device === "wasm") {
    const ort = await import("onnxruntime-web")
    ort.env.logLevel = "fatal"
    // Read once, when the first session of the thread is made. More threads gain little in WebAssembly.
    ort.env.wasm.numThreads = threads ?? Math.min(availableParallelism(), 4)
    return { module: ort, readsFiles: false }
  }
  // The binding reads both when it loads. What fails is thrown, so that its own log has nothing to add.
  process.env.ORT_DISABLE_TELEMETRY ??= "1"
  const ort = await import("onnxruntime-node")
  ort.env.logLevel = "fatal"
  return { module: ort, readsFiles: true }
}

/** In Node the files are those of the installed package. */
export function resolveWasmPaths(_paths: WasmPaths): WasmFiles | undefined {
  return undefined
}
