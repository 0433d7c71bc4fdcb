// Pipelines in a real Chromium: the pictures that Node's CPU makes, on WebAssembly and on WebGPU.
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import { DiffusionPipeline, PhiloxGenerator, type PipelineOptions } from "../../src/index.ts"
import { type HubServer, startHubServer } from "../hub-server/hub-server.ts"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage, type ProgramPage } from "./open-page.ts"
import { type Site, startSite } from "./site.ts"

type Program = typeof import("./pages/pipeline.ts")

const id = "score-sde/ncsnpp-emoji-32"
const folder = fileURLToPath(new URL("../../models/ncsnpp-emoji-32", import.meta.url))
// Two steps, since the software driver takes long for each; 99.9 % of the numbers are all but three of 3072.
const options = { numInferenceSteps: 2 }
const seed = 7

let browser: Chromium
let site: Site
let hub: HubServer
let expected: number[]
beforeAll(async () => {
  const paths = (await readdir(folder, { recursive: true })).filter(path =>
    /\.(json|safetensors)$/.test(path),
  )
  const files = Object.fromEntries(
    await Promise.all(paths.map(async path => [path, await readFile(join(folder, path))] as const)),
  )
  hub = await startHubServer({ repos: { [id]: { files } } })
  site = await startSite()
  browser = await startChromium()
  await using pipe = await DiffusionPipeline.fromPretrained(folder, { device: "cpu" })
  const { images } = await pipe({ ...options, generator: new PhiloxGenerator(seed) })
  expected = images.flatMap(({ data }) => [...data])
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
  await hub.close()
})

function open(): Promise<ProgramPage<Program>> {
  return openPage(browser.context, site, "pipeline")
}

/** At most two grey levels apart in 99.9 % of all places. */
function expectSamePictures(found: readonly number[]): void {
  expect(found).toHaveLength(expected.length)
  const far = found.filter((value, i) => Math.abs(value - expected[i]!) > 2)
  expect(far.length).toBeLessThanOrEqual(found.length / 1000)
}

const load = (page: ProgramPage<Program>, choice: PipelineOptions, name = "pipe"): Promise<string> =>
  page.call("load", name, id, { ...choice, endpoint: hub.url })

test.each([1, 2])("on WebAssembly with %i threads", async threads => {
  await using page = await open()
  expect(await load(page, { device: "wasm", threads })).toBe("wasm")
  expectSamePictures((await page.call("sample", "pipe", seed, options)).pictures)
})

test("of two pipelines at once", async () => {
  await using page = await open()
  const names = ["one", "two"]
  await Promise.all(names.map(name => load(page, { device: "wasm", threads: 1 }, name)))
  const results = await Promise.all(names.map(name => page.call("sample", name, seed, options)))
  for (const { pictures } of results) expectSamePictures(pictures)
})

test("on WebGPU, where the state stays on the device", async () => {
  await using page = await open()
  // Inline, so that the page sees what is read. A node that ran on the CPU would copy, and is refused.
  const sessionOptions = { extra: { session: { disable_cpu_ep_fallback: "1" } } }
  expect(await load(page, { device: "webgpu", worker: false, sessionOptions })).toBe("webgpu")
  const { pictures, bytesRead } = await page.call("sample", "pipe", seed, options)
  expectSamePictures(pictures)
  expect(bytesRead).toEqual([0])
})

test("when the device is lost between two steps: on the next device of `auto`", async () => {
  await using fragile = await startChromium()
  await using page = await openPage<Program>(fragile.context, site, "pipeline")
  expect(await load(page, {})).toBe("webgpu")
  const sampling = page.call("sample", "pipe", seed, options)
  await expect.poll(() => page.call("stepsDone"), { timeout: 200_000 }).toBeGreaterThan(0)
  await fragile.crashGpu()
  expectSamePictures((await sampling).pictures)
  expect(await page.call("device", "pipe")).toEqual({ now: "wasm", lost: ["webgpu: DEVICE_LOST"] })
})
