import type { MessageChannelEnd } from "../platform/worker-link.ts"
import type { OrtExecutor } from "./ort-executor.ts"
import { toWire } from "./wire-error.ts"
import {
  type WorkerCall,
  type WorkerMessage,
  type WorkerRequest,
  type WorkerResult,
  wholeBuffers,
} from "./worker-protocol.ts"

/** Serves the requests that come in on `channel` with `executor`. */
export function serve(channel: MessageChannelEnd, executor: OrtExecutor): void {
  const post = (message: WorkerMessage, transfer?: readonly ArrayBuffer[]) => channel.post(message, transfer)
  channel.listen(async message => {
    const { id, ...call } = message as WorkerRequest
    try {
      const { result, transfer } = await perform(executor, call)
      post({ kind: "done", id, result }, transfer)
    } catch (error) {
      post({ kind: "failed", id, error: toWire(error) })
    }
  })
  executor.listenForEnd(error => post({ kind: "lost", error: toWire(error) }))
  post({ kind: "started" })
}

async function perform(
  executor: OrtExecutor,
  call: WorkerCall,
): Promise<{ result: WorkerResult; transfer?: readonly ArrayBuffer[] }> {
  switch (call.method) {
    case "load": {
      const { attempts, ...model } = await executor.load(call.request)
      const wireAttempts = attempts.map(({ device, error }) => ({ device, error: toWire(error) }))
      return { result: { ...model, attempts: wireAttempts } }
    }
    case "run": {
      const result = await executor.run(call.model, call.feeds, call.outputs)
      return { result, transfer: wholeBuffers(Object.values(result).map(tensor => tensor.data)) }
    }
    case "perform": {
      const result = await executor.perform(call.gpu, call.commands)
      return { result, transfer: wholeBuffers(result.tensors.map(tensor => tensor.data)) }
    }
    case "release":
      await executor.release(call.model)
      return { result: undefined }
  }
}
