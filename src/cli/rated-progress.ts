import { formatRate, formatSeconds } from "./format.ts"
import { Rate } from "./rate.ts"
import type { Terminal } from "./terminal.ts"

/** How far work is. */
interface RatedState {
  /** Where it stands, in words. */
  readonly place: readonly string[]
  /** Units so far, whose rate is told. */
  readonly units: number
  /** Work so far, of `total`, from which the time left is told. */
  readonly done: number
  readonly total: number
}

/** Shows long work with the rate of its units and the time that is left. */
export class RatedProgress {
  readonly #terminal: Terminal
  readonly #label: string
  readonly #unit: string
  readonly #units = new Rate()
  // Units may be unlike each other: steps of a smaller batch, evaluations that nobody can count ahead.
  readonly #work = new Rate()

  /** Make it when the work begins: the first rate is taken from there. */
  constructor(terminal: Terminal, label: string, unit: string) {
    this.#terminal = terminal
    this.#label = label
    this.#unit = unit
    this.#units.add(0)
    this.#work.add(0)
  }

  show({ place, units, done, total }: RatedState): void {
    this.#units.add(units)
    this.#work.add(done)
    const [rate, speed] = [this.#units.perSecond, this.#work.perSecond]
    const parts = [
      ...place,
      rate !== undefined && formatRate(rate, this.#unit),
      speed !== undefined && done < total && `${formatSeconds((total - done) / speed)} left`,
    ]
    const text = parts.filter(part => part !== false).join(", ")
    this.#terminal.progress(this.#label, { done: Math.round(done), total, text })
  }
}
