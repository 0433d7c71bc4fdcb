// Runs in a page: models from the Hub and from folders, and what the browser keeps of them.
import {
  clearCache,
  DiffusionPipeline,
  type DownloadEvent,
  isCached,
  openRepo,
  type PipelineOptions,
  ScoreSdeError,
  TorchGenerator,
} from "../../../src/index.ts"
import { cacheApiStorage, opfsStorage } from "../../../src/platform/browser/key-storage.ts"

export { clearCache, isCached }

/** What a call came to: its value, or the error as plain data. */
export type Outcome<T> =
  | { readonly value: T }
  | { readonly code: string; readonly message: string; readonly hint: string | undefined }

async function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    if (!(error instanceof ScoreSdeError)) throw error
    return { code: error.code, message: error.message, hint: error.hint }
  }
}

/** A picture of `steps` steps, as the numbers that Diffusers' `output_type="np"` gives; and the downloads' events. */
export interface Sampled {
  readonly values: readonly number[]
  readonly device: string
  readonly events: readonly DownloadEvent[]
}

/** Loads a model of the Hub and samples it once. */
export async function sample(id: string, steps: number, options: PipelineOptions): Promise<Outcome<Sampled>> {
  const events: DownloadEvent[] = []
  return outcome(async () => {
    const onProgress = (event: DownloadEvent): void => void events.push(event)
    const pipe = await DiffusionPipeline.fromPretrained(id, { ...options, onProgress })
    return { ...(await picture(pipe, steps)), events }
  })
}

/** Loads the model of the folder that the page's `<input type=file webkitdirectory>` was given. */
export async function sampleChosenFiles(steps: number, options: PipelineOptions): Promise<Sampled> {
  const { files } = document.querySelector("input")!
  const pipe = await DiffusionPipeline.fromPretrained(files!, options)
  return { ...(await picture(pipe, steps)), events: [] }
}

/** The same of a folder's handle; the folder is a copy of that input's. */
export async function sampleHandle(steps: number, options: PipelineOptions): Promise<Sampled> {
  const handle = await (await navigator.storage.getDirectory()).getDirectoryHandle("chosen", { create: true })
  for (const file of document.querySelector("input")!.files!) {
    const names = file.webkitRelativePath.split("/").slice(1)
    let folder = handle
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true })
    const writable = await (await folder.getFileHandle(names.at(-1)!, { create: true })).createWritable()
    await writable.write(file)
    await writable.close()
  }
  const pipe = await DiffusionPipeline.fromPretrained(handle, options)
  return { ...(await picture(pipe, steps)), events: [] }
}

async function picture(pipe: DiffusionPipeline, steps: number): Promise<Omit<Sampled, "events">> {
  try {
    const generator = new TorchGenerator(0)
    const { images } = await pipe({ numInferenceSteps: steps, generator, outputType: "np" })
    return { values: Array.from(images.data), device: pipe.unet.device }
  } finally {
    await pipe.dispose()
  }
}

/** Downloads a file of a repository; returns its size and its SHA-256. `abortAt` is a number of bytes that came in. */
export async function download(
  id: string,
  path: string,
  options: PipelineOptions,
  abortAt: number = Number.POSITIVE_INFINITY,
): Promise<Outcome<{ size: number; sha256: string }>> {
  const controller = new AbortController()
  const onProgress = (event: DownloadEvent): void => {
    if (event.status === "progress" && event.loaded >= abortAt) controller.abort()
  }
  return outcome(async () => {
    const repo = await openRepo(id, { ...options, onProgress, signal: controller.signal })
    const source = await repo.open(path)
    const bytes = await source.read(0, source.size)
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    return {
      size: source.size,
      sha256: Array.from(digest, byte => byte.toString(16).padStart(2, "0")).join(""),
    }
  })
}

/** How many pieces of files the browser keeps. */
export async function keptPieces(cache: "cache-api" | "opfs"): Promise<number> {
  const storage = cache === "opfs" ? opfsStorage("score-sde") : cacheApiStorage("score-sde")
  return (await storage.keys("")).filter(key => key.includes("/blobs/")).length
}

/** The addresses below which something is kept in the Cache storage, without their last parts. */
export async function keptKinds(): Promise<string[]> {
  const requests = await (await caches.open("score-sde")).keys()
  return [...new Set(requests.map(({ url }) => new URL(url).pathname.split("/")[3]!))].sort()
}

/** Makes the browser promise more space than it has. */
export function promiseSpace(): void {
  navigator.storage.estimate = async () => ({ quota: 2 ** 40, usage: 0 })
}
