// The engine: the library, in a worker of its own, so that neither a model's conversion nor the arithmetic of a step
// ever holds up the page.
import { clearCache, DiffusionPipeline, ScoreSdeError } from "score-sde"
import { nextStep } from "./next-step.ts"
import { placeOf } from "./place.ts"
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
    else if (data.kind === "clear") {
      await clearCache()
      post({ kind: "cleared" })
    } else if (pipe) await run(pipe, data.settings, data.edit, signal, post)
    else throw new Error("No model is loaded.")
  } catch (error) {
    post(signal.aborted ? { kind: "stopped" } : failure(error))
  }
})

async function load(
  source: ModelSource,
  device: Extract<Request, { kind: "load" }>["device"],
  signal: AbortSignal,
): Promise<LoadedModel> {
  await pipe?.dispose()
  pipe = undefined
  const loaded: DiffusionPipeline = await DiffusionPipeline.fromPretrained(await locate(source, signal), {
    device,
    signal,
    onProgress(event) {
      if (event.status === "progress_total") tell(event.loaded, event.total)
    },
  })
  pipe = loaded
  const [height, width] = loaded.unet.size
  return {
    pipeline: (loaded.constructor as typeof DiffusionPipeline & { className: string }).className,
    width,
    height,
    ...placeOf(loaded),
  }
}

async function locate(source: ModelSource, signal: AbortSignal) {
  if (source.kind === "shipped") return await shippedModel(signal, tell)
  if (source.kind === "hub") return source.id
  // A file's path does not survive the way into a worker.
  return source.files === undefined ? source.folder : source.files.map(({ path, file }) => fileAt(path, file))
}

function tell(loaded: number, total: number): void {
  post({ kind: "loading", loaded, total })
}

function failure(error: unknown): Reply {
  if (!(error instanceof ScoreSdeError)) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) }
  }
  const { code, hint, message } = error
  return {
    kind: "failed",
    code,
    hint: nextStep(code) ?? hint,
    message: hint ? message.slice(0, -hint.length).trim() : message,
  }
}
