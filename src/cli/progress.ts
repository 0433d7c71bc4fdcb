import { SingleBar } from "cli-progress"
import type { DownloadEvent } from "../hub/progress.ts"

const plainEveryMs = 5000

interface Line {
  readonly done: number
  readonly total: number
  /** What stands after the bar, such as the rate. */
  readonly note: string
}

/** A bar on a terminal; elsewhere a plain line now and then, so that logs stay short. All on stderr. */
class Progress {
  readonly #label: string
  #bar: SingleBar | undefined
  #lastLine = 0

  constructor(label: string) {
    this.#label = label
  }

  show({ done, total, note }: Line): void {
    if (!process.stderr.isTTY) {
      const now = performance.now()
      if (done < total && now - this.#lastLine < plainEveryMs) return
      this.#lastLine = now
      console.error(`${this.#label} ${done}/${total}${note === "" ? "" : `, ${note}`}`)
      return
    }
    if (!this.#bar) {
      this.#bar = new SingleBar({
        format: `${this.#label} {bar} {percentage}% {note}`,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        hideCursor: true,
        stream: process.stderr,
      })
      this.#bar.start(total, done, { note })
    }
    this.#bar.setTotal(total)
    this.#bar.update(done, { note })
  }

  end(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}

/** Shows the steps of sampling with their rate and the time left. */
export class StepBar {
  readonly #progress: Progress
  readonly #total: number
  readonly #start = performance.now()

  constructor(label: string, total: number) {
    this.#progress = new Progress(label)
    this.#total = total
  }

  update(done: number): void {
    const seconds = (performance.now() - this.#start) / 1000
    const rate = done / Math.max(seconds, 1e-9)
    const left = (this.#total - done) / rate
    const note = `step ${done}/${this.#total}, ${formatRate(rate)}, ${formatTime(left)} left`
    this.#progress.show({ done, total: this.#total, note })
  }

  end(): void {
    this.#progress.end()
  }
}

/** Shows the bytes of a download. */
export class DownloadBar {
  readonly #progress = new Progress("Downloading")

  update(event: DownloadEvent): void {
    if (event.status !== "progress_total") return
    const { loaded, total, bytesPerSecond } = event
    const note = `${formatBytes(loaded)} of ${formatBytes(total)}, ${formatBytes(bytesPerSecond)}/s`
    this.#progress.show({ done: loaded, total, note })
    if (loaded === total) this.#progress.end()
  }
}

/** Bytes with three digits and a decimal unit, such as `263 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"]
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`
}

/** Seconds as `41 s`, `3:05` or `2:00:00`. */
export function formatTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?"
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((part, i) => (i === 0 ? `${part}` : `${part}`.padStart(2, "0"))).join(":")
}

function formatRate(perSecond: number): string {
  return perSecond >= 1 ? `${perSecond.toFixed(1)} steps/s` : `${(1 / perSecond).toFixed(1)} s per step`
}
