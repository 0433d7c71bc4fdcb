// The program of the worker thread in which sessions live.
import { parentPort, workerData } from "node:worker_threads"
import { OrtExecutor } from "../../runtime/ort-executor.ts"
import { serve } from "../../runtime/worker-server.ts"
import { type ExitGuard, guarded } from "./exit-guard.ts"
import { loadOrt } from "./ort.ts"

const port = parentPort
if (port) {
  serve(
    {
      post: (message, transfer) => port.postMessage(message, transfer),
      listen: handler => port.on("message", handler),
    },
    new OrtExecutor(loadOrt, work => guarded(workerData as ExitGuard, work)),
  )
}
