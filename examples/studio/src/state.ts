// The page's state, and what changes it.
import { batch, computed, signal } from "@preact/signals"
import type { Device, ResolvedDevice } from "score-sde"
import { findAbilities } from "./abilities.ts"
import { canvasOf, readPicture } from "./download.ts"
import { EngineError, loadModel, Stopped, sample, stop } from "./engine/engine.ts"
import type { Frame, LoadedModel, ModelSource, Picture, StepEvent } from "./engine/protocol.ts"
import { History } from "./history.ts"
import { resizeMask } from "./mask.ts"
import { Pace } from "./pace.ts"
import {
  edits,
  isAdaptive,
  type Mode,
  type Settings,
  samplerFacts,
  samplers,
  samplersFor,
} from "./settings.ts"

export const settings = signal<Settings>({
  mode: "sample",
  sampler: samplers[0]!.name,
  steps: samplers[0]!.steps,
  seed: 7,
  seedTo: 8,
  count: 8,
})

export const source = signal<ModelSource>({ kind: "shipped" })
export const device = signal<Device>("auto")

/** What the page is busy with. */
export type Work =
  | { readonly kind: "idle" }
  | { readonly kind: "loading"; readonly loaded: number; readonly total: number }
  | { readonly kind: "sampling" }
  | { readonly kind: "stopping" }
  | { readonly kind: "tidying" }

export const work = signal<Work>({ kind: "idle" })
export const busy = computed(() => work.value.kind !== "idle")

/** How the last run ended, or why it did not start. */
export type Notice =
  | {
      readonly kind: "done"
      readonly nfe: number
      readonly seconds: number
      /** The device that was lost on the way. */
      readonly lost?: ResolvedDevice | undefined
    }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly message: string; readonly hint?: string | undefined }

export const notice = signal<Notice | undefined>(undefined)

/** The model that the engine holds, and where it came from. */
export const model = signal<LoadedModel | undefined>(undefined)
let loadedFrom: { readonly source: ModelSource; readonly device: Device } | undefined

/** What a run was asked for, by which its pictures are named and its code is written. */
export interface RunRecord {
  readonly settings: Settings
  readonly source: ModelSource
}

export const record = signal<RunRecord | undefined>(undefined)

/** The finished pictures; while sampling and after a stop there are none. */
export const pictures = signal<Frame | undefined>(undefined)
export const step = signal<StepEvent | undefined>(undefined)
/** Steps a second, or evaluations where steps are the sampler's own business. */
export const pace = signal<number | undefined>(undefined)
export const history: History = new History()
/** Which moment of the history is on show; undefined for the newest. */
export const moment = signal<number | undefined>(undefined)
/** Whether to show what the network takes the picture for, in place of the noisy sample. */
export const predicted = signal(false)
export const selected = signal(0)

interface Original extends Picture {
  readonly label: string
  /** What it was made from, in its own size. */
  readonly from: Blob | OffscreenCanvas
}

/** The picture to edit, and which part of it is to be filled. */
export const original = signal<Original | undefined>(undefined)
export const mask = signal<Uint8Array<ArrayBuffer>>(new Uint8Array(0))

/** What the sheet shows now. */
export const shown = computed<Frame | undefined>(() => {
  history.changes.value
  const at = moment.value
  const newest = history.moments.at(-1)
  if (at === undefined && pictures.value) return pictures.value
  const state = at === undefined ? newest : history.moments[at]
  return state && (predicted.value ? (state.predicted ?? state.sample) : state.sample)
})

/** What has to be there before a run can start. */
export const missing = computed<string | undefined>(() => {
  const from = source.value
  if (from.kind === "folder" && from.files?.length === 0) return "Choose the model’s folder."
  const { mode } = settings.value
  if (!edits(mode)) return undefined
  if (original.value === undefined) return "Sample first, or open a picture."
  const painted = mask.value.includes(1)
  return mode === "inpaint" && !painted ? "Paint over what is to be made anew." : undefined
})

/** Seconds until the end, where the number of steps is known. */
export const secondsLeft = computed(() => {
  const at = step.value
  if (work.value.kind !== "sampling" || !at || !pace.value || isAdaptive(ranWith())) return undefined
  return (at.totalSteps - at.step) / pace.value
})

/** The sampler of the run that is on show, or of the next. */
export function ranWith(): Settings["sampler"] {
  return (record.value?.settings ?? settings.value).sampler
}

export function change(changes: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changes }
}

export function chooseSampler(sampler: Settings["sampler"]): void {
  const { steps } = samplerFacts(sampler)
  change(steps ? { sampler, steps } : { sampler })
}

/** Where the model is to come from. */
export function chooseSource(from: ModelSource): void {
  source.value = from
  notice.value = undefined
}

// What was chosen before a mode that has a sampler of its own.
let setAside: Pick<Settings, "sampler" | "steps"> | undefined

export function chooseMode(mode: Mode): void {
  const { count } = settings.value
  change({ mode, count: mode === "interpolate" ? Math.max(count, 2) : count })
  notice.value = undefined
  const fitting = samplersFor(mode)
  const { sampler, steps } = settings.value
  if (fitting.every(({ name }) => name !== sampler)) {
    setAside = { sampler, steps }
    chooseSampler(fitting[0]!.name)
  } else if (!edits(mode) && setAside) {
    change(setAside)
    setAside = undefined
  }
  if (edits(mode) && original.value === undefined) editSelected()
}

/** Takes the selected picture of the sheet as the one to edit. */
export function editSelected(): void {
  const sheet = pictures.value
  if (sheet) edit(pictureAt(sheet, selected.value), `picture ${selected.value + 1} of the sheet`)
}

/** @param from - What the picture was made from; default: itself. */
export function edit(picture: Picture, label: string, from: Original["from"] = canvasOf(picture)): void {
  batch(() => {
    original.value = { ...picture, label, from }
    mask.value = new Uint8Array(picture.width * picture.height)
  })
}

/** Brings the picture to edit, and its mask, into the size of a model that was loaded after it. */
async function fitOriginal(to: LoadedModel | undefined): Promise<void> {
  const before = original.value
  if (!before || !to || (before.width === to.width && before.height === to.height)) return
  const picture = await readPicture(before.from, to.width, to.height)
  batch(() => {
    mask.value = resizeMask(mask.value, before, to)
    original.value = { ...before, ...picture }
  })
}

/** One picture of a sheet. */
export function pictureAt({ width, height, rgba }: Frame, index: number): Picture {
  const bytes = width * height * 4
  return { width, height, rgba: rgba.slice(index * bytes, (index + 1) * bytes) }
}

/** Loads the model if it isn't loaded, and makes the pictures. */
export async function start(): Promise<void> {
  if (busy.value || missing.value !== undefined) return
  notice.value = undefined
  try {
    await load()
    const asked = { settings: settings.value, source: source.value }
    if (edits(asked.settings.mode)) await fitOriginal(model.value)
    work.value = { kind: "sampling" }
    record.value = asked
    pictures.value = undefined
    moment.value = undefined
    step.value = undefined
    pace.value = undefined
    selected.value = Math.min(selected.value, asked.settings.count - 1)
    history.clear()
    const clock = new Pace()
    const finished = await sample(asked.settings, editOf(asked.settings.mode), event => {
      step.value = event
      pace.value = clock.at(isAdaptive(asked.settings.sampler) ? event.nfe : event.step)
      if (event.sample) keep(event, event.sample)
    })
    pictures.value = finished.pictures
    const { nfe, seconds, place } = finished
    const before = model.value
    const lost = before && before.device !== place.device ? before.device : undefined
    if (before && lost) model.value = { ...before, ...place }
    notice.value = { kind: "done", nfe, seconds, lost }
  } catch (error) {
    notice.value = noticeOf(error)
    if (endsModel(error)) model.value = undefined
  } finally {
    work.value = { kind: "idle" }
    // What is stored may be more now.
    if (source.value.kind === "hub") void findAbilities()
  }
}

/** Does something else with the engine. */
export async function tend(errand: () => Promise<void>): Promise<void> {
  if (busy.value) return
  notice.value = undefined
  work.value = { kind: "tidying" }
  try {
    await errand()
  } catch (error) {
    notice.value = noticeOf(error)
  } finally {
    work.value = { kind: "idle" }
  }
}

function keep({ step, sigma, predicted }: StepEvent, sample: Frame): void {
  const thinned = history.add({ step, sigma, sample, predicted })
  // Who looks back goes on looking at the same step, or at the one beside it.
  if (thinned && moment.value !== undefined) moment.value = Math.floor(moment.value / 2)
}

/** Whether the model has to be loaded again after an error. */
function endsModel(error: unknown): boolean {
  if (error instanceof Stopped) return false
  return !(error instanceof EngineError) || ["DEVICE_LOST", "WORKER_DIED"].includes(error.code ?? "")
}

async function load(): Promise<void> {
  const wanted = { source: source.value, device: device.value }
  if (model.value && loadedFrom?.source === wanted.source && loadedFrom.device === wanted.device) return
  model.value = undefined
  work.value = { kind: "loading", loaded: 0, total: 0 }
  model.value = await loadModel(wanted.source, wanted.device, ({ loaded, total }) => {
    if (work.value.kind === "loading") work.value = { kind: "loading", loaded, total }
  })
  loadedFrom = wanted
}

function editOf(mode: Mode) {
  if (!original.value || !edits(mode)) return undefined
  const { width, height, rgba } = original.value
  return { picture: { width, height, rgba }, mask: mask.value }
}

function noticeOf(error: unknown): Notice {
  if (error instanceof Stopped) return { kind: "stopped" }
  if (error instanceof EngineError) return { kind: "failed", message: error.message, hint: error.hint }
  return { kind: "failed", message: error instanceof Error ? error.message : String(error) }
}

export function halt(): void {
  if (!busy.value) return
  work.value = { kind: "stopping" }
  stop()
}
