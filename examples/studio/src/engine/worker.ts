// The engine: the library, in a worker of its own, so that neither a model's conversion nor the arithmetic of a step
// ever holds up the page.
import { DiffusionPipeline, ScoreSdeError } from "score-sde"
import type { LoadedModel, ModelSource, Reply, Request } from "./protocol.ts"
import { run } from "./run.ts"
import { fileAt, shippedModel } from "./shipped-model.ts"

let pipe: DiffusionPipeline | undefined
let stopping = new AbortController()

const post = (reply: Reply, transfer: Transferable[] = []) => self.postMessage(reply, { transfer })

self.addEventListener("message", async ({ data }: MessageEvent<Request>) => {
  if (data.kind === "stop") return stopping.abort()
  stopping = new AbortController()
  const { signal } = stopping
  try {
    if (data.kind === "load") post({ kind: "loaded", model: await load(data.source, data.device, signal) })
    else if (pipe) await run(pipe, data.settings, data.edit, signal, post)
    else throw new Error("No model is loaded.")
  } catch (error) {
    post(failure(error))
  }
})

async function load(
  source: ModelSource,
  device: Extract<Request, { kind: "load" }>["device"],
  signal: AbortSignal,
): Promise<LoadedModel> {
  await pipe?.dispose()
  pipe = undefined
  const loaded: DiffusionPipeline = await DiffusionPipeline.fromPretrained(await locate(source), {
    device,
    signal,
    onProgress: event => post({ kind: "download", event }),
  })
  pipe = loaded
  const { unet } = loaded
  const [height, width] = unet.size
  return {
    pipeline: (loaded.constructor as typeof DiffusionPipeline & { className: string }).className,
    device: unet.device,
    dtype: unet.dtype,
    width,
    height,
    failed: unet.deviceAttempts.map(({ device, error }) => `${device}: ${error.message}`),
  }
}

async function locate(source: ModelSource) {
  if (source.kind === "shipped") return await shippedModel()
  if (source.kind === "hub") return source.id
  // A file's path does not survive the way into a worker.
  return source.files === undefined ? source.folder : source.files.map(({ path, file }) => fileAt(path, file))
}

function failure(error: unknown): Reply {
  if (error instanceof ScoreSdeError && error.code === "ABORTED") return { kind: "stopped" }
  if (error instanceof ScoreSdeError) {
    const { code, hint, message } = error
    return { kind: "failed", code, hint, message: hint ? message.slice(0, -hint.length).trim() : message }
  }
  return { kind: "failed", message: error instanceof Error ? error.message : String(error) }
}
