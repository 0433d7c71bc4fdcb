import { type ReadonlySignal, signal } from "@preact/signals"
import type { Frame } from "./engine/protocol.ts"

/** The state of a run after one of its steps. */
export interface Moment {
  readonly step: number
  readonly sigma: number | undefined
  readonly sample: Frame
  readonly predicted: Frame | undefined
}

const mostBytes = 96 * 2 ** 20

/** The run so far, to look back at. Large pictures leave fewer moments of it. */
export class History {
  readonly #changes = signal(0)
  #moments: Moment[] = []

  /** Counts up with every change, so that whoever reads it is told. */
  get changes(): ReadonlySignal<number> {
    return this.#changes
  }

  get moments(): readonly Moment[] {
    return this.#moments
  }

  clear(): void {
    this.#moments = []
    this.#changes.value++
  }

  /** @returns Whether every second moment had to go to make room. */
  add(moment: Moment): boolean {
    const bytes = moment.sample.rgba.length * (moment.predicted ? 2 : 1)
    const full = (this.#moments.length + 1) * bytes > mostBytes
    if (full) this.#moments = this.#moments.filter((_, i) => i % 2 === 0)
    this.#moments.push(moment)
    this.#changes.value++
    return full
  }
}
