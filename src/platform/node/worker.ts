import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { SHARE_ENV, Worker } from "node:worker_threads"
import type { WorkerLink } from "../worker-link.ts"
import { createExitGuard, readyToEnd, readyToExit } from "./exit-guard.ts"

/** What to do where the thread doesn't start. */
export const workerHint: string =
  "In a bundled app, keep score-sde out of the bundle, or load models with { worker: false }."

/** Starts the thread that `ort-worker.ts` serves; `undefined` where the platform has no such thread. */
export const startOrtWorker: (() => WorkerLink) | undefined = () => {
  const guard = createExitGuard()
  const worker = new Worker(entry(), {
    name: "score-sde",
    workerData: guard,
    // The native library reads the process's real environment, which a worker's own copy doesn't reach.
    env: SHARE_ENV,
    // A worker refuses to start when it inherits the flag of a program that was given as text.
    ...(process.execArgv.some(flag => flag.startsWith("--input-type")) && { execArgv: [] }),
  })
  const ended = new Promise<unknown>(resolve => {
    worker.once("error", resolve)
    worker.once("exit", code => resolve(new Error(`The worker thread ended with exit code ${code}.`)))
  })
  const beforeExit = () => readyToExit(guard)
  process.once("exit", beforeExit)
  void ended.then(() => process.off("exit", beforeExit))
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: handler => worker.on("message", handler),
    listenForEnd: handler => void ended.then(handler),
    keepAlive: needed => (needed ? worker.ref() : worker.unref()),
    end: async () => {
      await readyToEnd(guard)
      await worker.terminate()
    },
  }
}

/** The file beside this one, in the sources and in the built package; an app's bundle has to look for the package. */
function entry(): URL | string {
  const name = import.meta.url.endsWith(".ts") ? "./ort-worker-source.mjs" : "./ort-worker.js"
  const beside = new URL(name, import.meta.url)
  if (existsSync(beside)) return beside
  try {
    return createRequire(import.meta.url).resolve("score-sde/ort-worker")
  } catch {
    return beside
  }
}
