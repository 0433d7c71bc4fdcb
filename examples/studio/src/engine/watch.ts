import type { DiffusionPipeline, Tensor } from "score-sde"
import type { Sampler } from "../settings.ts"
import { frameOfPictures, frameOfSample, type Range } from "./frames.ts"
import type { Frame, Reply } from "./protocol.ts"

// No screen shows more.
const framePauseMs = 1000 / 30

/** Turns the steps of a run into messages; only as many with pictures as a screen can show. */
export class Watch {
  readonly #range: Range
  readonly #sampler: Sampler
  readonly #sigmaAt: (time: number) => number | undefined
  readonly #post: (reply: Reply, transfer?: Transferable[]) => void
  #frames: { sigma?: number | undefined; sample?: Frame; predicted?: Frame } = {}
  #shown = 0
  #told = 0

  constructor(
    pipe: DiffusionPipeline,
    sampler: Sampler,
    post: (reply: Reply, transfer?: Transferable[]) => void,
  ) {
    this.#range = rangeOf(pipe)
    this.#sampler = sampler
    this.#sigmaAt = noiseLevels(pipe, sampler)
    this.#post = post
  }

  /** Takes the state after a step. */
  see(time: number, latents: Tensor<"float32">, denoised: Tensor<"float32">, last: boolean): void {
    const sigma = this.#sigmaAt(time)
    this.#frames = { sigma }
    const now = performance.now()
    if (!last && now - this.#shown < framePauseMs) return
    this.#shown = now
    const sample = frameOfSample(latents, this.#range)
    // What predictor–corrector sampling calls denoised is only without the last step's noise.
    const predicts = !["own", "pc"].includes(this.#sampler)
    this.#frames = { sigma, sample, ...(predicts && { predicted: frameOfPictures(denoised, this.#range) }) }
  }

  /** Tells of the step that was just seen, unless the one before was told a moment ago. */
  report(step: number, totalSteps: number, nfe: number): void {
    const { sample, predicted } = this.#frames
    const now = performance.now()
    if (!sample && step < totalSteps && now - this.#told < framePauseMs) return
    this.#told = now
    const transfer = [sample, predicted].flatMap(frame => (frame ? [frame.rgba.buffer] : []))
    this.#post({ kind: "step", step, totalSteps, nfe, ...this.#frames }, transfer)
    this.#frames = {}
  }
}

function rangeOf(pipe: DiffusionPipeline): Range {
  try {
    return pipe.scoreModel().range
  } catch {
    // A chain of DDPM that is no SDE's.
    return [-1, 1]
  }
}

/** What the time that a sampler reports says about the noise, relative to the signal. */
function noiseLevels(pipe: DiffusionPipeline, sampler: Sampler): (time: number) => number | undefined {
  if (!["own", "pc", "ode"].includes(sampler)) return time => time
  const { scheduler } = pipe
  if ("alphasCumprod" in scheduler) {
    if (sampler !== "own") return () => undefined
    return time => {
      const kept = scheduler.alphasCumprod[time] ?? 1
      return Math.sqrt((1 - kept) / kept)
    }
  }
  const { sde } = pipe.scoreModel()
  return time => (time > 0 ? sde.noiseLevel(time).sigma : 0)
}
