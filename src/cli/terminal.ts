import { SingleBar } from "cli-progress"

/** How far long work is. */
export interface ProgressState {
  readonly done: number
  readonly total: number
  /** What is said beside the bar: where it stands, its rate, the time left. */
  readonly text: string
}

/** Where the terminal's lines go; `process.stderr` is one. */
export type OutputStream = Pick<NodeJS.WriteStream, "write"> & {
  readonly isTTY?: boolean
  readonly columns?: number
}

// Plain lines go to logs: far enough apart that hours of work don't fill them.
const plainEveryMs = 10_000
const plainEveryPart = 0.01

/**
 * What a command says besides its results, on stderr: notes, and how far it is. On a terminal that is a bar, elsewhere
 * a plain line now and then.
 */
export class Terminal {
  readonly #stream: OutputStream
  readonly #quiet: boolean
  #progress: Progress | undefined
  #waiting: string[] = []

  constructor({ quiet = false, stream = process.stderr }: { quiet?: boolean; stream?: OutputStream } = {}) {
    this.#stream = stream
    this.#quiet = quiet
  }

  /** Writes a line; one that comes while a bar stands waits until that ends. */
  note(line: string): void {
    if (this.#quiet) return
    if (this.#progress?.ownsLine) this.#waiting.push(line)
    else this.#stream.write(`${line}\n`)
  }

  /** Shows how far work is. Another label begins another bar. */
  progress(label: string, state: ProgressState): void {
    if (this.#quiet) return
    if (this.#progress?.label !== label) {
      this.endProgress()
      this.#progress = this.#stream.isTTY ? new Bar(label, this.#stream) : new PlainLines(label, this.#stream)
    }
    this.#progress.show(state)
  }

  /** Ends the bar, if there is one, and leaves it as it stands. */
  endProgress(): void {
    this.#progress?.end()
    this.#progress = undefined
    for (const line of this.#waiting.splice(0)) this.note(line)
  }
}

interface Progress {
  readonly label: string
  /** Whether the line that the cursor is on belongs to it. */
  readonly ownsLine: boolean
  show(state: ProgressState): void
  end(): void
}

class Bar implements Progress {
  readonly label: string
  readonly ownsLine = true
  readonly #bar: SingleBar

  constructor(label: string, stream: OutputStream) {
    this.label = label
    this.#bar = new SingleBar({
      stream: stream as NodeJS.WriteStream,
      format: (_options, { progress, maxWidth }, { text }: { text: string }) =>
        barLine(label, progress, text, maxWidth),
      hideCursor: true,
      // Ctrl-C is ours.
      gracefulExit: false,
    })
  }

  show({ done, total, text }: ProgressState): void {
    if (!this.#bar.isActive) this.#bar.start(total, done, { text })
    this.#bar.setTotal(total)
    this.#bar.update(done, { text })
  }

  end(): void {
    this.#bar.stop()
  }
}

/** A label, a bar as long as there is room for, and what is said beside it. */
export function barLine(label: string, part: number, text: string, width: number): string {
  const length = Math.min(30, Math.max(8, width - label.length - text.length - 3))
  const full = Math.round(part * length)
  return `${label} ${"█".repeat(full)}${"░".repeat(length - full)} ${text}`
}

class PlainLines implements Progress {
  readonly label: string
  readonly ownsLine = false
  readonly #stream: OutputStream
  #shown: { time: number; part: number } | undefined

  constructor(label: string, stream: OutputStream) {
    this.label = label
    this.#stream = stream
  }

  show({ done, total, text }: ProgressState): void {
    const time = performance.now()
    const part = done / total
    const last = this.#shown
    if (last && (time - last.time < plainEveryMs || part - last.part < plainEveryPart)) return
    this.#shown = { time, part }
    this.#stream.write(`${this.label}: ${text}\n`)
  }

  end(): void {}
}
