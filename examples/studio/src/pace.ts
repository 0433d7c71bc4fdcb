// Long enough for an even reading, short enough to follow a device that slows down.
const windowMs = 4000

/** How fast something comes, over the last seconds. */
export class Pace {
  readonly #marks: { readonly count: number; readonly time: number }[] = []

  /** @returns How many come a second; nothing before the second mark. */
  at(count: number): number | undefined {
    const time = performance.now()
    const marks = this.#marks
    marks.push({ count, time })
    while (marks.length > 2 && time - marks[0]!.time > windowMs) marks.shift()
    const first = marks[0]!
    return time > first.time ? ((count - first.count) / (time - first.time)) * 1000 : undefined
  }
}
