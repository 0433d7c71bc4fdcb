// The program of the worker in which sessions live.
import { OrtExecutor } from "../../runtime/ort-executor.ts"
import { serve } from "../../runtime/worker-server.ts"
import { loadOrt } from "./ort.ts"

// Where a bundler has put ONNX Runtime into this file, its threads start with it too; they are told by their name, and
// need nothing else.
if (self.name === "score-sde") {
  serve(
    {
      post: (message, transfer = []) => self.postMessage(message, { transfer: [...transfer] }),
      listen: handler => self.addEventListener("message", event => handler(event.data)),
    },
    new OrtExecutor(loadOrt),
  )
} else {
  void import("onnxruntime-web/webgpu")
}
