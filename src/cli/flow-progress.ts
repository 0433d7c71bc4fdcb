import type { SamplingProgress } from "../pipelines/options.ts"
import { countOf } from "./format.ts"
import { RatedProgress } from "./rated-progress.ts"
import type { Terminal } from "./terminal.ts"

/** Shows how far the solutions of an ODE are, whose evaluations nobody can count ahead. */
export class FlowProgress {
  readonly #progress: RatedProgress
  #before = 0
  #last = 0

  constructor(terminal: Terminal, label: string) {
    this.#progress = new RatedProgress(terminal, label, "evaluation")
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
      const done = 1000 * (part + (share * step) / totalSteps)
      this.#progress.show({ place: [countOf(this.nfe, "evaluation")], units: this.nfe, done, total: 1000 })
    }
  }
}
