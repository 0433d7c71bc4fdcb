import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { showDownload } from "../../src/cli/download-progress.ts"
import { FlowProgress } from "../../src/cli/flow-progress.ts"
import { Rate } from "../../src/cli/rate.ts"
import { SamplingProgress } from "../../src/cli/sampling-progress.ts"
import { barLine, type OutputStream, Terminal } from "../../src/cli/terminal.ts"

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "Date", "setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

/** A terminal's stream, or a log's, that keeps what is written. */
function recorder(isTTY: boolean): OutputStream & { text: string } {
  return {
    text: "",
    isTTY,
    columns: 80,
    write(chunk: string | Uint8Array) {
      this.text += chunk
      return true
    },
  }
}

const esc = String.fromCharCode(27)

/** What a terminal's line shows in the end: after the last return to its start, without control sequences. */
function lastLine(text: string): string {
  return text
    .split(`${esc}[1G`)
    .at(-1)!
    .replaceAll(new RegExp(`${esc}(?:\\[[?\\d]*[a-zA-Z]|\\d)`, "g"), "")
    .trimEnd()
}

describe("on a terminal", () => {
  it("draws one line with a bar, and leaves the cursor as it was", () => {
    const stream = recorder(true)
    const terminal = new Terminal({ stream })
    terminal.progress("Sampling", { done: 1, total: 4, text: "step 1/4" })
    vi.advanceTimersByTime(1000)
    terminal.progress("Sampling", { done: 3, total: 4, text: "step 3/4" })
    terminal.endProgress()
    expect(lastLine(stream.text)).toBe("Sampling ███████████████████████░░░░░░░ step 3/4")
    expect(stream.text.split("\n")).toHaveLength(2)
    const hidden = stream.text.lastIndexOf(`${esc}[?25l`)
    expect(hidden).toBeGreaterThanOrEqual(0)
    expect(stream.text.lastIndexOf(`${esc}[?25h`)).toBeGreaterThan(hidden)
  })

  it("keeps notes until the bar ends", () => {
    const stream = recorder(true)
    const terminal = new Terminal({ stream })
    terminal.note("before")
    expect(stream.text).toBe("before\n")
    terminal.progress("Sampling", { done: 1, total: 4, text: "step 1/4" })
    terminal.note("note: between")
    expect(stream.text).not.toContain("between")
    terminal.endProgress()
    expect(stream.text.endsWith("\nnote: between\n")).toBe(true)
  })

  it("fits the bar to the width", () => {
    expect(barLine("Sampling", 0.5, "step 1/2", 80)).toBe(
      `Sampling ${"█".repeat(15)}${"░".repeat(15)} step 1/2`,
    )
    expect(barLine("Sampling", 0.5, "x".repeat(55), 80)).toHaveLength(79)
    expect(barLine("Sampling", 1, "x".repeat(90), 80)).toContain(` ${"█".repeat(8)} `)
  })
})

describe("elsewhere", () => {
  it("writes plain lines, ten seconds and one percent apart", () => {
    const stream = recorder(false)
    const terminal = new Terminal({ stream })
    for (let done = 1; done <= 4000; done++) {
      terminal.progress("Sampling", { done, total: 4000, text: `step ${done}` })
      vi.advanceTimersByTime(1000)
    }
    terminal.endProgress()
    const lines = stream.text.trimEnd().split("\n")
    expect(lines[0]).toBe("Sampling: step 1")
    expect(lines[1]).toBe("Sampling: step 41")
    expect(lines).toHaveLength(100)
    expect(stream.text).not.toMatch(/[\r█]/)
    expect(stream.text).not.toContain(esc)
  })

  it("says nothing when it is to be quiet", () => {
    const stream = recorder(false)
    const terminal = new Terminal({ stream, quiet: true })
    terminal.note("note")
    terminal.progress("Sampling", { done: 1, total: 2, text: "step 1/2" })
    terminal.endProgress()
    expect(stream.text).toBe("")
  })
})

describe("rates", () => {
  it("follow the last ten seconds, or the last steps where they are slower", () => {
    const rate = new Rate()
    expect(rate.perSecond).toBeUndefined()
    rate.add(0, 0)
    expect(rate.perSecond).toBeUndefined()
    for (let i = 1; i <= 100; i++) rate.add(i, i * 100)
    expect(rate.perSecond).toBeCloseTo(10)
    for (let i = 1; i <= 20; i++) rate.add(100 + i, 10_000 + i * 4000)
    expect(rate.perSecond).toBeCloseTo(0.25)
  })

  it("give the time left for all pictures, of which the last batch may hold fewer", () => {
    const stream = recorder(true)
    const terminal = new Terminal({ stream })
    const progress = new SamplingProgress(terminal, 5)
    // A second for each picture's step.
    for (let step = 1; step <= 3; step++) {
      vi.advanceTimersByTime(4000)
      progress.show({ first: 0, count: 4 }, step, 3)
    }
    terminal.endProgress()
    expect(lastLine(stream.text)).toContain("pictures 1–4 of 5, step 3/3, 4.00 s/step, 3.0 s left")
    vi.advanceTimersByTime(1000)
    progress.show({ first: 4, count: 1 }, 1, 3)
    terminal.endProgress()
    expect(lastLine(stream.text)).toContain("picture 5 of 5, step 1/3")
  })

  it("give the time left of an ODE from its way, over all batches", () => {
    const stream = recorder(true)
    const terminal = new Terminal({ stream })
    const progress = new FlowProgress(terminal, "Decoding")
    for (const part of [0, 0.5]) {
      const heard = progress.handler(part, 0.5)
      vi.advanceTimersByTime(2000)
      heard({ step: 1, totalSteps: 2, nfe: 8 })
    }
    terminal.endProgress()
    expect(progress.nfe).toBe(16)
    expect(lastLine(stream.text)).toContain("16 evaluations, 4.00 evaluations/s, 1.3 s left")
  })
})

describe("downloads", () => {
  it("show bytes, rate and time left of what is large", () => {
    const stream = recorder(false)
    const terminal = new Terminal({ stream })
    const event = { status: "progress_total", repo: "a/b", files: 1, bytesPerSecond: 2e6 } as const
    showDownload(terminal, { ...event, loaded: 500, total: 1000 })
    showDownload(terminal, { ...event, loaded: 65e6, total: 263e6 })
    showDownload(terminal, { ...event, loaded: 263e6, total: 263e6 })
    expect(stream.text).toBe("Downloading: 65.0 MB of 263 MB, 2.00 MB/s, 1:39 left\n")
  })
})
