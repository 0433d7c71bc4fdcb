const windowMs = 10_000
// Slow steps need more than what falls into the window.
const leastMarks = 6

/** The speed of work over the last ten seconds or the last steps, so that it follows changes without trembling. */
export class Rate {
  readonly #marks: { readonly time: number; readonly done: number }[] = []

  /** @param time - Milliseconds. */
  add(done: number, time: number = performance.now()): void {
    this.#marks.push({ time, done })
    while (this.#marks.length > leastMarks && time - this.#marks[0]!.time > windowMs) this.#marks.shift()
  }

  /** Units of `done` in a second; undefined until there is something to tell from. */
  get perSecond(): number | undefined {
    const [first] = this.#marks
    const last = this.#marks.at(-1)
    if (!first || !last || last.time === first.time || last.done === first.done) return undefined
    return ((last.done - first.done) / (last.time - first.time)) * 1000
  }
}
