const window = 12

/** How fast steps come, over the last few of them. */
export class Pace {
  #marks: { readonly step: number; readonly time: number }[] = []

  /** @returns Steps a second, and the seconds that are left; nothing before the second step. */
  at(step: number, totalSteps: number): { readonly rate: number; readonly left: number } | undefined {
    const time = performance.now()
    this.#marks = [...this.#marks, { step, time }].slice(-window)
    const first = this.#marks[0]!
    if (time <= first.time) return undefined
    const rate = ((step - first.step) / (time - first.time)) * 1000
    return { rate, left: (totalSteps - step) / rate }
  }
}
