import { formatRate, formatSeconds } from "./format.ts"
import { Rate } from "./rate.ts"
import type { Terminal } from "./terminal.ts"

/** A batch among all the pictures that are asked for. */
export interface Batch {
  /** Index of its first picture. */
  readonly first: number
  readonly count: number
}

/** Shows the steps of sampling, with their rate and the time that is left for all pictures. */
export class SamplingProgress {
  readonly #terminal: Terminal
  readonly #pictures: number
  readonly #steps = new Rate()
  // The time left is told from single pictures' steps, since the last batch may be smaller.
  readonly #work = new Rate()
  #stepsDone = 0
  #position = ""

  /** Make it when sampling begins: the first rate is taken from there. */
  constructor(terminal: Terminal, pictures: number) {
    this.#terminal = terminal
    this.#pictures = pictures
    this.#steps.add(0)
    this.#work.add(0)
  }

  /** Where it is, such as ` after step 27 of 60 for pictures 9–16`; empty before the first step. */
  get position(): string {
    return this.#position
  }

  /** Call it after every step; `step` counts those of the batch. */
  show(batch: Batch, step: number, totalSteps: number): void {
    const { first, count } = batch
    const done = first * totalSteps + count * step
    const total = this.#pictures * totalSteps
    this.#steps.add(++this.#stepsDone)
    this.#work.add(done)
    const name = count < this.#pictures ? batchName(batch) : undefined
    this.#position = ` after step ${step} of ${totalSteps}${name === undefined ? "" : ` for ${name}`}`
    const [stepRate, workRate] = [this.#steps.perSecond, this.#work.perSecond]
    const parts = [
      name !== undefined && `${name} of ${this.#pictures}`,
      `step ${step}/${totalSteps}`,
      stepRate !== undefined && formatRate(stepRate, "step"),
      workRate !== undefined && done < total && `${formatSeconds((total - done) / workRate)} left`,
    ]
    const text = parts.filter(part => part !== false).join(", ")
    this.#terminal.progress("Sampling", { done, total, text })
  }
}

/** `picture 3`, `pictures 9–16`; counted from 1. */
function batchName({ first, count }: Batch): string {
  return count === 1 ? `picture ${first + 1}` : `pictures ${first + 1}–${first + count}`
}
