// The program of the worker thread in which sessions live.
import { parentPort } from "node:worker_threads"
import { OrtExecutor } from "../../runtime/ort-executor.ts"
import { serve } from "../../runtime/worker-server.ts"
import { loadOrt } from "./ort.ts"

const port = parentPort
if (port) {
  serve(
    {
      post: (message, transfer) => port.postMessage(message, transfer),
      listen: handler => port.on("message", handler),
    },
    new OrtExecutor(loadOrt),
  )
}
