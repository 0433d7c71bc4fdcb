import { describe, expect, onTestFinished, test, vi } from "vitest"
import { type DownloadEvent, DownloadProgress } from "../../src/hub/progress.ts"
import { hideHubEnvironment, hubWithCache, someBytes } from "./hub-fixtures.ts"

hideHubEnvironment()

const sizes = { "config.json": 20_000, "unet/weights.bin": 600_000, "empty.txt": 0 }
const files = Object.fromEntries(Object.entries(sizes).map(([path, size]) => [path, someBytes(size)]))
const repos = { "org/model": { files } }

/** Checks everything that DownloadEvent promises of the events of one call. */
function expectOrderly(events: readonly DownloadEvent[], paths: readonly (keyof typeof sizes)[]): void {
  const total = paths.reduce((bytes, path) => bytes + sizes[path], 0)
  for (const path of paths) {
    const own = events.filter(event => event.status !== "progress_total" && event.file === path)
    const progress = own.filter(event => event.status === "progress")
    expect(own.map(event => event.status)).toEqual(["initiate", ...progress.map(() => "progress"), "done"])
    expect(own[0]).toMatchObject({ repo: "org/model", total: sizes[path] })
    expectGrowth(progress, sizes[path])
  }
  const all = events.filter(event => event.status === "progress_total")
  expectGrowth(all, total)
  expect(new Set(all.map(event => event.files))).toEqual(new Set([paths.length]))
  expect(events.at(-1)?.status).toBe("done")
}

function expectGrowth(
  events: readonly { loaded: number; total: number; bytesPerSecond: number }[],
  total: number,
): void {
  const loaded = events.map(event => event.loaded)
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b))
  expect(loaded.at(-1)).toBe(total)
  expect(new Set(events.map(event => event.total))).toEqual(new Set([total]))
  for (const { bytesPerSecond } of events) {
    expect(Number.isFinite(bytesPerSecond) && bytesPerSecond >= 0).toBe(true)
  }
}

describe("a download reports", () => {
  test("each file and the sum, in order", async () => {
    const { open } = await hubWithCache({
      repos,
      faults: [{ match: "weights.bin", server: "cdn", kind: "slow", pieces: 8, pause: 60 }],
    })
    const events: DownloadEvent[] = []
    const repo = await open("org/model", { onProgress: event => void events.push(event) })
    await repo.download(["config.json", "unet/weights.bin", "empty.txt"])
    expectOrderly(events, ["config.json", "unet/weights.bin", "empty.txt"])
    expect(events.filter(event => event.status === "progress_total").length).toBeGreaterThan(3)
  })

  test("no step back when a transfer has to start again", async () => {
    const { open } = await hubWithCache({
      repos,
      faults: [
        { match: "weights.bin", server: "cdn", times: 1, kind: "drop", after: 500_000, etag: 'W/"weak"' },
        { match: "weights.bin", server: "cdn", kind: "slow", pieces: 5, pause: 60 },
      ],
    })
    const events: DownloadEvent[] = []
    const repo = await open("org/model", { onProgress: event => void events.push(event) })
    await repo.download(["unet/weights.bin"])
    expectOrderly(events, ["unet/weights.bin"])
  })

  test("nothing for what is in the cache, and only the rest otherwise", async () => {
    const { open } = await hubWithCache({ repos })
    await (await open("org/model")).download(["unet/weights.bin"])
    const events: DownloadEvent[] = []
    const repo = await open("org/model", { onProgress: event => void events.push(event) })
    await repo.download(["unet/weights.bin"])
    expect(events).toEqual([])
    await repo.download(["unet/weights.bin", "config.json"])
    expectOrderly(events, ["config.json"])
  })

  test("no end of what fails", async () => {
    const { open } = await hubWithCache({
      repos,
      faults: [{ match: "config.json", kind: "status", status: 403 }],
    })
    const events: DownloadEvent[] = []
    const repo = await open("org/model", { onProgress: event => void events.push(event) })
    await expect(repo.download(["config.json"])).rejects.toMatchObject({ code: "UNAUTHORIZED" })
    expect(events.map(event => event.status)).toEqual(["initiate"])
  })

  test("to a listener whose own error comes through", async () => {
    const { open } = await hubWithCache({ repos })
    const onProgress = () => {
      throw new RangeError("the listener's")
    }
    const repo = await open("org/model", { onProgress })
    await expect(repo.download(["config.json"])).rejects.toThrow("the listener's")
  })
})

test("the first failure ends the other downloads of a call", async () => {
  const { server, open } = await hubWithCache({
    repos,
    faults: [
      { match: "weights.bin", server: "cdn", kind: "hang", after: 1000 },
      { match: "config.json", kind: "status", status: 403 },
    ],
  })
  const repo = await open("org/model")
  await expect(repo.download(["unet/weights.bin", "config.json"])).rejects.toMatchObject({
    code: "UNAUTHORIZED",
  })
  server.reset()
  // What was stopped can be asked for again.
  await repo.download(["unet/weights.bin", "config.json"])
})

test("a rate is that of the last seconds", () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const rates: number[] = []
  const progress = new DownloadProgress("r", [{ path: "a", size: 100_000 }], event => {
    if (event.status === "progress") rates.push(event.bytesPerSecond)
  })
  // 1000 bytes each 500 ms, then 4000.
  for (let received = 0; received < 5000; received += 1000) {
    vi.advanceTimersByTime(500)
    progress.advance("a", received + 1000)
  }
  expect(rates).toEqual(Array(5).fill(2000))
  for (let received = 5000; received < 33_000; received += 4000) {
    vi.advanceTimersByTime(500)
    progress.advance("a", received + 4000)
  }
  expect(rates.at(-1)).toBe(8000)
})
