// Sessions in a real Chromium.
import { afterAll, beforeAll, describe, expect, test } from "vitest"
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
    if (options.worker !== false) await expect.poll(() => workers(page), { timeout: 60_000 }).toEqual([])
  },
)

test("a page that isn't isolated gets one thread, and the same numbers", async () => {
  await using plain = await startSite({ isolated: false })
  await using page = await openPage<Program>(browser.context, plain, "runtime")
  expect(await page.call("load", { device: "wasm", threads: 2 })).toBe("wasm")
  expectOutput(await page.call("run"))
  expect(workers(page)).toEqual(["ort-worker"])
})

describe("a lost device", () => {
  // Chromium does without a GPU after a few crashes.
  let fragile: Chromium
  beforeAll(async () => {
    fragile = await startChromium()
  })
  afterAll(() => fragile[Symbol.asyncDispose]())

  test.each([true, false])("is told, and the next model gets a new one (worker: %s)", async worker => {
    await using page = await openPage<Program>(fragile.context, site, "runtime")
    expect(await page.call("load", { device: "webgpu", threads: 1, worker })).toBe("webgpu")
    expectOutput(await page.call("run"))
    await fragile.crashGpu()
    expect(await page.call("run")).toBe("DEVICE_LOST")
    expect(await page.call("run")).toBe("DEVICE_LOST")
    // The lost one lives on, as in an app that has not noticed.
    expect(await page.call("load", { threads: 1, worker })).toBe("webgpu")
    expectOutput(await page.call("run"))
  })

  test("ends the run that it happens in", async () => {
    await using page = await openPage<Program>(fragile.context, site, "runtime")
    await page.call("load", { device: "webgpu" })
    const runs = page.call("runUntilError")
    await expect.poll(() => page.call("runsDone"), { timeout: 60_000 }).toBeGreaterThan(2)
    await fragile.crashGpu()
    expect(await runs).toBe("DEVICE_LOST")
    expect(await page.call("run")).toBe("DEVICE_LOST")
    await page.call("dispose")
  })

  test.each([true, false])("while a model loads leads to the next (worker: %s)", async worker => {
    await using crashing = await startChromium()
    await using page = await openPage<Program>(crashing.context, site, "runtime")
    // ONNX Runtime's own file is the last thing before the model is put on the device.
    let [arrived, goOn] = [(): void => {}, (): void => {}]
    const asked = new Promise<void>(resolve => (arrived = resolve))
    const answer = new Promise<void>(resolve => (goOn = resolve))
    await crashing.context.route("**/*.wasm", async route => {
      arrived()
      await answer
      await route.continue()
    })
    const loading = page.call("load", { threads: 1, worker })
    await asked
    await crashing.crashGpu()
    goOn()
    expect(await loading).toBe("wasm")
    expect(await page.call("attempts")).toEqual(["webgpu: DEVICE_LOST"])
    expectOutput(await page.call("run"))
    expect(await page.call("load", { device: "webgpu", threads: 1, worker })).toBe("webgpu")
    expectOutput(await page.call("run"))
  })
})

test.each([2 ** 30, 2 ** 40])(
  "a device that can't hold %i bytes of weights leads to the next, and says so in a run",
  async size => {
    await using page = await openPage<Program>(browser.context, site, "runtime")
    const inline = { threads: 1, worker: false } as const
    await page.call("setBufferSize", size)
    expect(await page.call("load", inline)).toBe("wasm")
    expect(await page.call("attempts")).toEqual(["webgpu: OUT_OF_MEMORY"])
    expectOutput(await page.call("run"))
    expect(await page.call("load", { ...inline, device: "webgpu" })).toBe("OUT_OF_MEMORY")
    await page.call("setBufferSize", undefined)
    expect(await page.call("load", inline)).toBe("webgpu")
    await page.call("setBufferSize", size)
    expect(await page.call("run")).toBe("OUT_OF_MEMORY")
    await page.call("setBufferSize", undefined)
    expectOutput(await page.call("run"))
  },
)

test("without an adapter, `auto` takes WebAssembly and says why", async () => {
  await using without = await startChromium({ webgpu: false })
  await using page = await openPage<Program>(without.context, site, "runtime")
  expect(await page.call("load", { device: "webgpu" })).toBe("DEVICE_UNAVAILABLE")
  expect(await page.call("load", {})).toBe("wasm")
  expect(await page.call("attempts")).toEqual(["webgpu: DEVICE_UNAVAILABLE"])
  expectOutput(await page.call("run"))
})

test("where the worker's program is missing, that is told", async () => {
  await using broken = await startSite({ files: { "/lib/ort-worker.js": "import './nowhere.js'" } })
  await using page = await openPage<Program>(browser.context, broken, "runtime")
  expect(await page.call("load", { device: "wasm" })).toBe("WORKER_UNAVAILABLE")
  expect(await page.call("load", { device: "wasm", worker: false })).toBe("wasm")
})

test("models made and disposed of, one after the other, leave nothing behind", async () => {
  await using page = await openPage<Program>(browser.context, site, "runtime")
  const protocol = await browser.context.newCDPSession(page.page)
  const megabytes = async (): Promise<number> => {
    await protocol.send("HeapProfiler.collectGarbage")
    return browser.megabytes()
  }
  let before = 0
  for (let i = 0; i < 12; i++) {
    await page.call("cycle", 16, { device: i % 2 === 0 ? "wasm" : "webgpu", threads: 1 })
    await expect.poll(() => workers(page), { timeout: 60_000 }).toEqual([])
    // The first two warm up.
    if (i === 1) before = await megabytes()
  }
  // The processes give memory back a while after the workers end. Ten models kept would be 160 MB and more.
  await expect.poll(async () => (await megabytes()) - before, { timeout: 60_000 }).toBeLessThan(64)
})
