// The page's end of the engine.
import type { Device } from "score-sde"
import type { Settings } from "../settings.ts"
import type { Edit, LoadedModel, ModelSource, Reply, Request, StepEvent } from "./protocol.ts"

/** Why a request failed, with the next step where the library knows one. */
export class EngineError extends Error {
  readonly code: string | undefined
  readonly hint: string | undefined

  constructor({ message, code, hint }: Extract<Reply, { kind: "failed" }>) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/** What a stopped request ends with. */
export class Stopped extends Error {}

/** The pictures of a run, and how they came about. */
export type Finished = Extract<Reply, { kind: "done" }>

let worker: Worker | undefined

/** Loads a model in place of the one before. */
export async function loadModel(
  source: ModelSource,
  device: Device,
  onProgress: (progress: Extract<Reply, { kind: "loading" }>) => void,
): Promise<LoadedModel> {
  const reply = await ask({ kind: "load", source, device }, message => {
    if (message.kind === "loading") onProgress(message)
  })
  if (reply.kind !== "loaded") throw new Error(`The engine answered “${reply.kind}”.`)
  return reply.model
}

/** Runs a sampler on the loaded model. */
export async function sample(
  settings: Settings,
  edit: Edit | undefined,
  onStep: (event: StepEvent) => void,
): Promise<Finished> {
  const reply = await ask({ kind: "sample", settings, edit }, message => {
    if (message.kind === "step") onStep(message)
  })
  if (reply.kind !== "done") throw new Error(`The engine answered “${reply.kind}”.`)
  return reply
}

/** Deletes the models of the Hub that the browser has stored. */
export async function clearModels(): Promise<void> {
  await ask({ kind: "clear" }, () => {})
}

/** Ends what is running, between two evaluations of the network. */
export function stop(): void {
  worker?.postMessage({ kind: "stop" } satisfies Request)
}

/** One request at a time; the page takes care of that. */
function ask(request: Request, onMessage: (reply: Reply) => void): Promise<Reply> {
  worker ??= new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "studio engine" })
  const engine = worker
  return new Promise((resolve, reject) => {
    const settled = new AbortController()
    const listen = { signal: settled.signal }
    const settle = (action: () => void) => {
      settled.abort()
      action()
    }
    engine.addEventListener(
      "message",
      ({ data }: MessageEvent<Reply>) => {
        if (data.kind === "loading" || data.kind === "step") onMessage(data)
        else if (data.kind === "failed") settle(() => reject(new EngineError(data)))
        else if (data.kind === "stopped") settle(() => reject(new Stopped("Stopped.")))
        else settle(() => resolve(data))
      },
      listen,
    )
    engine.addEventListener(
      "error",
      event => {
        // Whatever state it is in, the next request gets a new one.
        engine.terminate()
        worker = undefined
        settle(() => reject(new Error(event.message || "The engine’s program could not be loaded.")))
      },
      listen,
    )
    engine.postMessage(request)
  })
}
