import { RatedProgress } from "./rated-progress.ts"
import type { Terminal } from "./terminal.ts"

/** A batch among all the pictures that are asked for. */
export interface Batch {
  /** Index of its first picture. */
  readonly first: number
  readonly count: number
}

/** Shows the steps of sampling, with their rate and the time that is left for all pictures. */
export class SamplingProgress {
  readonly #progress: RatedProgress
  readonly #pictures: number
  #stepsDone = 0
  #position = ""

  /** Make it when sampling begins. */
  constructor(terminal: Terminal, pictures: number) {
    this.#progress = new RatedProgress(terminal, "Sampling", "step")
    this.#pictures = pictures
  }

  /** Where it is, such as ` after step 27 of 60 for pictures 9–16`; empty before the first step. */
  get position(): string {
    return this.#position
  }

  /** Call it after every step; `step` counts those of the batch. */
  show(batch: Batch, step: number, totalSteps: number): void {
    const { first, count } = batch
    const name = count < this.#pictures ? batchName(batch) : undefined
    this.#position = ` after step ${step} of ${totalSteps}${name === undefined ? "" : ` for ${name}`}`
    this.#progress.show({
      place: [...(name === undefined ? [] : [`${name} of ${this.#pictures}`]), `step ${step}/${totalSteps}`],
      units: ++this.#stepsDone,
      // Single pictures' steps, since the last batch may be smaller.
      done: first * totalSteps + count * step,
      total: this.#pictures * totalSteps,
    })
  }
}

/** `picture 3`, `pictures 9–16`; counted from 1. */
function batchName({ first, count }: Batch): string {
  return count === 1 ? `picture ${first + 1}` : `pictures ${first + 1}–${first + count}`
}
