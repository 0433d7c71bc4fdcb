import { loadOrt } from "#platform/ort"
import { startOrtWorker } from "#platform/worker"
import type { OrtModule } from "../platform/ort-module.ts"
import type { WorkerLink } from "../platform/worker-link.ts"
import type { Executor } from "./executor.ts"
import { OrtExecutor } from "./ort-executor.ts"
import { WorkerExecutor, workerUnavailable } from "./worker-executor.ts"

// One of each for all sessions: they share ONNX Runtime, its threads and, on WebGPU, one queue.
let inline: OrtExecutor | undefined
let worker: WorkerExecutor | undefined
const injected = new WeakMap<OrtModule, OrtExecutor>()

/** The executor for a session: that of an injected module, of the worker thread, or of this thread. */
export function chooseExecutor(options: { readonly ort?: OrtModule; readonly worker?: boolean }): Executor {
  if (options.ort) return injectedExecutor(options.ort)
  if (options.worker === false || !startOrtWorker) {
    inline ??= new OrtExecutor(loadOrt)
    return inline
  }
  if (!worker?.open) worker = startWorker(startOrtWorker)
  return worker
}

function startWorker(start: () => WorkerLink): WorkerExecutor {
  try {
    return new WorkerExecutor(start())
  } catch (cause) {
    throw workerUnavailable(cause)
  }
}

function injectedExecutor(module: OrtModule): OrtExecutor {
  const known = injected.get(module)
  if (known) return known
  const executor = new OrtExecutor(async () => ({ module, readsFiles: false }))
  injected.set(module, executor)
  return executor
}
