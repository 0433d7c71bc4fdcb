// What the page and its engine, a worker, say to each other. All of it is plain data.
import type { Device, FolderHandle, ResolvedDevice } from "score-sde"
import type { Settings } from "../settings.ts"

/** Where a model is. */
export type ModelSource =
  | { readonly kind: "shipped" }
  | { readonly kind: "hub"; readonly id: string }
  | {
      readonly kind: "folder"
      readonly name: string
      readonly folder: FolderHandle
      readonly files?: undefined
    }
  | {
      readonly kind: "folder"
      readonly name: string
      /** With their paths, which begin with the folder's name. */
      readonly files: readonly { readonly path: string; readonly file: Blob }[]
    }

/** Pictures beside each other, as RGBA. */
export interface Frame {
  readonly count: number
  readonly width: number
  readonly height: number
  /** `count` pictures of `width` × `height`, one after the other. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>
}

/** A picture with what is known of it. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly rgba: Uint8ClampedArray<ArrayBuffer>
}

/** A picture to inpaint or colorize. */
export interface Edit {
  readonly picture: Picture
  /** 1 where the picture is to be filled; `width` × `height`. */
  readonly mask: Uint8Array<ArrayBuffer>
}

/** Where a model runs. */
export interface Place {
  readonly device: ResolvedDevice
  /** Devices that were tried before it, or lost, and why. */
  readonly failed: readonly { readonly device: ResolvedDevice; readonly reason: string }[]
}

/** A model that is ready. */
export interface LoadedModel extends Place {
  /** What pipelines call it: `ScoreSdeVePipeline`, …. */
  readonly pipeline: string
  readonly width: number
  readonly height: number
}

export type Request =
  | { readonly kind: "load"; readonly source: ModelSource; readonly device: Device }
  | { readonly kind: "sample"; readonly settings: Settings; readonly edit?: Edit | undefined }
  | { readonly kind: "clear" }
  | { readonly kind: "stop" }

/** The state after a step, as pictures. */
export interface StepEvent {
  readonly kind: "step"
  readonly step: number
  readonly totalSteps: number
  readonly nfe: number
  /** The noise in the sample, relative to its signal, where the sampler tells. */
  readonly sigma?: number | undefined
  /** Absent for steps that come faster than a screen shows them. */
  readonly sample?: Frame | undefined
  /** What the network takes the picture for, where the sampler tells. */
  readonly predicted?: Frame | undefined
}

export type Reply =
  /** Bytes of the model's files; a `total` of 0 is not known yet. */
  | { readonly kind: "loading"; readonly loaded: number; readonly total: number }
  | { readonly kind: "loaded"; readonly model: LoadedModel }
  | { readonly kind: "cleared" }
  | StepEvent
  | {
      readonly kind: "done"
      readonly pictures: Frame
      readonly nfe: number
      readonly seconds: number
      /** Where the model is by now: a device that was lost on the way has given way to the next. */
      readonly place: Place
    }
  | { readonly kind: "stopped" }
  | {
      readonly kind: "failed"
      readonly message: string
      readonly hint?: string | undefined
      readonly code?: string | undefined
    }
