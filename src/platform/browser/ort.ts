import type { ResolvedDevice } from "../device.ts"
import type { LoadedOrt } from "../ort-module.ts"

/** What `auto` stands for, best first. */
export const autoDevices: readonly ResolvedDevice[] = ["webgpu", "wasm"]

/** Every device that this platform may have. */
export const knownDevices: readonly ResolvedDevice[] = [...autoDevices]

/** Loads the ONNX Runtime that serves `device`. */
export async function loadOrt(_device: ResolvedDevice, threads: number | undefined): Promise<LoadedOrt> {
  // The default entry has the older WebGPU backend, which computes some Splits and Concats wrongly without an error.
  const ort = await import("onnxruntime-web/webgpu")
  ort.env.logLevel = "fatal"
  // Read once, when the first session of the page is made. Threads need memory that only isolated pages may share.
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated
    ? (threads ?? Math.min(navigator.hardwareConcurrency, 4))
    : 1
  return { module: ort, readsFiles: false }
}
