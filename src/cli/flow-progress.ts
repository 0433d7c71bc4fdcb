import type { SamplingProgress } from "../pipelines/options.ts"
import { countOf, formatRate, formatSeconds } from "./format.ts"
import { Rate } from "./rate.ts"
import type { Terminal } from "./terminal.ts"

/** Shows how far the solutions of an ODE are, whose evaluations nobody can count ahead. */
export class FlowProgress {
  readonly #terminal: Terminal
  readonly #label: string
  readonly #evaluations = new Rate()
  readonly #work = new Rate()
  #before = 0
  #last = 0

  constructor(terminal: Terminal, label: string) {
    this.#terminal = terminal
    this.#label = label
    this.#evaluations.add(0)
    this.#work.add(0)
  }

  /** Evaluations of the network so far. */
  get nfe(): number {
    return this.#before + this.#last
  }

  /** A handler for one call of a pipeline's; `part` of all work is what calls before it have done, `share` its own. */
  handler(part: number, share: number): (progress: SamplingProgress) => void {
    this.#before += this.#last
    this.#last = 0
    return ({ step, totalSteps, nfe }) => {
      this.#last = nfe
      const done = part + (share * step) / totalSteps
      this.#evaluations.add(this.nfe)
      this.#work.add(done)
      const [rate, speed] = [this.#evaluations.perSecond, this.#work.perSecond]
      const parts = [
        countOf(this.nfe, "evaluation"),
        rate !== undefined && formatRate(rate, "evaluation"),
        speed !== undefined && done < 1 && `${formatSeconds((1 - done) / speed)} left`,
      ]
      const text = parts.filter(one => one !== false).join(", ")
      this.#terminal.progress(this.#label, { done: Math.round(1000 * done), total: 1000, text })
    }
  }
}
