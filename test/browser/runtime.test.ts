// Sessions in a real Chromium.
import { afterAll, beforeAll, expect, test } from "vitest"
import type { SessionOptions } from "../../src/runtime/session.ts"
import { denoiserOutput } from "../runtime/onnx-model.ts"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage, type ProgramPage } from "./open-page.ts"
import { type Site, startSite } from "./site.ts"

type Program = typeof import("./pages/runtime.ts")

let browser: Chromium
let site: Site
beforeAll(async () => {
  site = await startSite()
  browser = await startChromium()
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

const expected = denoiserOutput()
function expectOutput(values: number[] | string): void {
  if (typeof values === "string") throw new Error(values)
  expect(Math.max(...values.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5)
}

/** The programs of the page's workers: ours, and ONNX Runtime's one for each further thread. */
function workers({ page }: ProgramPage<Program>): string[] {
  return page
    .workers()
    .map(worker => /\/lib\/(ort-worker|ort\.webgpu)/.exec(worker.url())?.[1] ?? worker.url())
    .sort()
}

test.each<[SessionOptions, string, readonly string[]]>([
  [{ device: "wasm", threads: 1 }, "wasm", ["ort-worker"]],
  [{ device: "wasm", threads: 2 }, "wasm", ["ort-worker", "ort.webgpu"]],
  [{ device: "wasm", threads: 1, worker: false }, "wasm", []],
  [{ device: "webgpu", threads: 1 }, "webgpu", ["ort-worker"]],
  [{ device: "webgpu", threads: 1, worker: false }, "webgpu", []],
  [{ threads: 1 }, "webgpu", ["ort-worker"]],
])(
  "%j computes what the formula says, in a worker that ends with the session",
  async (options, device, running) => {
    await using page = await openPage<Program>(browser.context, site, "runtime")
    expect(await page.call("load", options)).toBe(device)
    expectOutput(await page.call("run"))
    expect(workers(page)).toEqual(running)
    await page.call("dispose")
    if (options.worker !== false) await expect.poll(() => workers(page), { timeout: 10_000 }).toEqual([])
  },
)
