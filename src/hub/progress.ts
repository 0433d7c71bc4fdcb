/**
 * What a download reports. For each file `initiate`, then `progress` with growing `loaded`, then `done`;
 * `progress_total` sums up the files of one call, with a constant `total`, and ends at `loaded === total`.
 * A file that is already in the cache reports nothing.
 */
export type DownloadEvent =
  | { readonly status: "initiate"; readonly repo: string; readonly file: string; readonly total: number }
  | {
      readonly status: "progress"
      readonly repo: string
      readonly file: string
      /** Bytes that are here; never falls, even where a transfer had to start again. */
      readonly loaded: number
      readonly total: number
      readonly bytesPerSecond: number
    }
  | {
      readonly status: "progress_total"
      readonly repo: string
      readonly loaded: number
      readonly total: number
      readonly bytesPerSecond: number
      /** Number of files that the totals cover. */
      readonly files: number
    }
  | { readonly status: "done"; readonly repo: string; readonly file: string }

const reportEveryMs = 100
/** Rates are taken over this time, so that they follow the line without trembling. */
const rateWindowMs = 3000

/** Turns the byte counts of one call's transfers into events. */
export class DownloadProgress {
  readonly #repo: string
  readonly #emit: (event: DownloadEvent) => void
  readonly #files = new Map<string, Meter>()
  readonly #all: Meter

  constructor(
    repo: string,
    files: readonly { readonly path: string; readonly size: number }[],
    emit: ((event: DownloadEvent) => void) | undefined,
  ) {
    this.#repo = repo
    this.#emit = emit ?? (() => {})
    for (const { path, size } of files) this.#files.set(path, new Meter(size))
    this.#all = new Meter(files.reduce((sum, { size }) => sum + size, 0))
  }

  start(file: string): void {
    const { total } = this.#files.get(file)!
    this.#emit({ status: "initiate", repo: this.#repo, file, total })
  }

  /** Takes the bytes that were here before, which count as loaded but not towards the rate. */
  resume(file: string, kept: number): void {
    this.#files.get(file)!.begin(kept)
    this.#all.begin(this.#all.loaded + kept)
    this.#report(file, kept, true)
  }

  /** Takes the bytes that are here now; fewer than before are no news until they are more again. */
  advance(file: string, received: number): void {
    this.#report(file, received, false)
  }

  finish(file: string): void {
    this.#report(file, this.#files.get(file)!.total, true)
    this.#emit({ status: "done", repo: this.#repo, file })
  }

  #report(file: string, received: number, last: boolean): void {
    const meter = this.#files.get(file)!
    const before = meter.loaded
    if (meter.advance(received, last)) {
      this.#emit({ status: "progress", repo: this.#repo, file, ...meter.state() })
    }
    if (this.#all.advance(this.#all.loaded + meter.loaded - before, last)) {
      this.#emit({
        status: "progress_total",
        repo: this.#repo,
        ...this.#all.state(),
        files: this.#files.size,
      })
    }
  }
}

/** A byte counter that knows its rate and when it is time to report. */
class Meter {
  readonly total: number
  loaded = 0
  #samples: { time: number; loaded: number }[] = [{ time: performance.now(), loaded: 0 }]

  constructor(total: number) {
    this.total = total
  }

  /** Sets the count without a rate. */
  begin(loaded: number): void {
    this.loaded = loaded
    this.#samples = [{ time: performance.now(), loaded }]
  }

  /** Counts up to `loaded`; true when that should be reported. */
  advance(loaded: number, force: boolean): boolean {
    this.loaded = Math.max(this.loaded, loaded)
    const time = performance.now()
    if (!force && time - this.#samples.at(-1)!.time < reportEveryMs) return false
    this.#samples = this.#samples.filter(sample => time - sample.time < rateWindowMs)
    this.#samples.push({ time, loaded: this.loaded })
    return true
  }

  state(): { loaded: number; total: number; bytesPerSecond: number } {
    const { loaded, total } = this
    const oldest = this.#samples[0]!
    const seconds = (performance.now() - oldest.time) / 1000
    return { loaded, total, bytesPerSecond: seconds > 0 ? (loaded - oldest.loaded) / seconds : 0 }
  }
}
