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

  add(step: number, sigma: number | undefined, sample: Frame, predicted: Frame | undefined): void {
    const bytes = sample.rgba.length * (predicted ? 2 : 1)
    if ((this.#moments.length + 1) * bytes > mostBytes) {
      this.#moments = this.#moments.filter((_, i) => i % 2 === 0)
    }
    this.#moments.push({ step, sigma, sample, predicted })
    this.#changes.value++
  }
}
