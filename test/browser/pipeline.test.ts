// Pipelines in a real Chromium: the pictures that Node's CPU makes, on WebAssembly and on WebGPU.
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  type DDIMOptions,
  DiffusionPipeline,
  PhiloxGenerator,
  type PipelineOptions,
} from "../../src/index.ts"
import { type HubServer, type RepoSpec, startHubServer } from "../hub-server/hub-server.ts"
import { networkFiles, temporaryFolder, writeModel } from "../pipelines/tiny-model.ts"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage, type ProgramPage } from "./open-page.ts"
import { type Site, startSite } from "./site.ts"

type Program = typeof import("./pages/pipeline.ts")

// The model that ships, and one so small that a software driver is quick with it.
const shipped = "score-sde/ncsnpp-emoji-32"
const tiny = "score-sde/tiny"
const seed = 7
const options = { numInferenceSteps: 3 }

/** Pipelines of the plain network whose steps are sums. */
const linear = {
  [tiny]: {
    className: "ScoreSdeVePipeline",
    schedulerClass: "ScoreSdeVeScheduler",
    scheduler: { sigma_max: 0.5, snr: 0.16 },
    network: { timeEmbeddingType: "fourier" },
    options,
  },
  "score-sde/tiny-vp": {
    className: "ScoreSdeVpPipeline",
    schedulerClass: "ScoreSdeVpScheduler",
    scheduler: { beta_min: 0.01, beta_max: 0.5 },
    network: {},
    options,
  },
  "score-sde/tiny-ddpm": {
    className: "DDPMPipeline",
    schedulerClass: "DDPMScheduler",
    scheduler: { clip_sample_range: 0.8 },
    network: {},
    options,
  },
  "score-sde/tiny-ddim": {
    className: "DDIMPipeline",
    schedulerClass: "DDIMScheduler",
    scheduler: { prediction_type: "v_prediction" },
    network: {},
    options: { ...options, eta: 0.5 },
  },
} as const
const linearIds = Object.keys(linear) as (keyof typeof linear)[]

function optionsOf(id: string): DDIMOptions {
  return linearIds.find(known => known === id) ? linear[id as keyof typeof linear].options : options
}

let browser: Chromium
let site: Site
let hub: HubServer
const expected = new Map<string, number[]>()
beforeAll(async () => {
  await using folder = await temporaryFolder()
  const folders = new Map([
    [shipped, fileURLToPath(new URL("../../models/ncsnpp-emoji-32", import.meta.url))],
  ])
  for (const id of linearIds) {
    const { network, ...pipeline } = linear[id]
    const path = join(folder.path, id)
    await writeModel(path, pipeline, await networkFiles(network))
    folders.set(id, path)
  }
  const repos: Record<string, RepoSpec> = {}
  for (const [id, path] of folders) {
    repos[id] = { files: await filesIn(path) }
    await using pipe = await DiffusionPipeline.fromPretrained(path, { device: "cpu" })
    const noises = { philox: { generator: new PhiloxGenerator(seed) }, seed: { seed } }
    for (const [name, noise] of Object.entries(noises)) {
      const { images } = await pipe({ ...optionsOf(id), ...noise })
      expected.set(
        `${id} ${name}`,
        images.flatMap(({ data }) => [...data]),
      )
    }
  }
  hub = await startHubServer({ repos })
  site = await startSite()
  browser = await startChromium()
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
  await hub.close()
})

async function filesIn(folder: string): Promise<RepoSpec["files"]> {
  const paths = (await readdir(folder, { recursive: true })).filter(path =>
    /\.(json|safetensors)$/.test(path),
  )
  return Object.fromEntries(
    await Promise.all(paths.map(async path => [path, await readFile(join(folder, path))] as const)),
  )
}

function open(): Promise<ProgramPage<Program>> {
  return openPage(browser.context, site, "pipeline")
}

/** At most two grey levels apart in 99.9 % of all places. */
function expectSamePictures(id: string, found: readonly number[], noise = "philox"): void {
  const wanted = expected.get(`${id} ${noise}`)!
  expect(found).toHaveLength(wanted.length)
  const far = found.filter((value, i) => Math.abs(value - wanted[i]!) > 2)
  expect(far.length).toBeLessThanOrEqual(found.length / 1000)
}

/** The same pictures but for rounding. */
function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length)
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(1)
}

function load(
  page: ProgramPage<Program>,
  id: string,
  choice: PipelineOptions,
  name = "pipe",
): Promise<string> {
  return page.call("load", name, id, { ...choice, endpoint: hub.url })
}

test.each([1, 2])("on WebAssembly with %i threads", async threads => {
  await using page = await open()
  expect(await load(page, shipped, { device: "wasm", threads })).toBe("wasm")
  expectSamePictures(shipped, (await page.call("sample", "pipe", seed, options)).pictures)
})

test("of two pipelines at once", async () => {
  await using page = await open()
  const names = ["one", "two"]
  await Promise.all(names.map(name => load(page, shipped, { device: "wasm", threads: 1 }, name)))
  const results = await Promise.all(names.map(name => page.call("sample", name, seed, options)))
  for (const { pictures } of results) expectSamePictures(shipped, pictures)
})

// Those of one network in one page, which compiles it once.
test.each([[tiny], linearIds.filter(id => id !== tiny), [shipped]])(
  "on WebGPU, where the state stays on the device: %s",
  async (...ids: string[]) => {
    await using page = await open()
    // Inline, so that the page sees what is read. A node that ran on the CPU would copy, and is refused.
    const sessionOptions = { extra: { session: { disable_cpu_ep_fallback: "1" } } }
    for (const id of ids) {
      expect(await load(page, id, { device: "webgpu", worker: false, sessionOptions }, id)).toBe("webgpu")
      const { pictures, bytesRead } = await page.call("sample", id, seed, optionsOf(id))
      expectSamePictures(id, pictures)
      expect(new Set(pictures).size).toBeGreaterThan(20)
      expect(bytesRead).toEqual([0, 0])
    }
  },
)

test("from a seed, whose noise is made in the worker", async () => {
  await using page = await open()
  const id = "score-sde/tiny-ddpm"
  expect(await load(page, id, { device: "webgpu" })).toBe("webgpu")
  const { pictures, bytesSent } = await page.call("sample", "pipe", seed, options, "seed")
  expectSamePictures(id, pictures, "seed")
  expect(bytesSent).toEqual([0, 0])
})

test("with its state on the device, whatever was done before or is done at the same time", async () => {
  await using page = await open()
  const [ddpm, ddim] = ["score-sde/tiny-ddpm", "score-sde/tiny-ddim"] as const
  for (const id of [ddpm, ddim]) expect(await load(page, id, { device: "webgpu" }, id)).toBe("webgpu")
  const call = { ...options, seed: 1 }
  const alone = await page.call("pictures", ddpm, call)
  expectClose(await page.call("pictures", ddpm, call, { watched: true }), alone)

  expect(await page.call("disturbed", ddpm, "abort")).toBe("ABORTED")
  expect(await page.call("pictures", ddpm, call)).toEqual(alone)
  expect(await page.call("disturbed", ddpm, "throw")).toBe("thrown by onProgress")
  const other = await page.call("pictures", ddim, call)
  const together = await Promise.all([ddpm, ddim, ddpm].map(id => page.call("pictures", id, call)))
  expect(together).toEqual([alone, other, alone])

  const three = await page.call("pictures", ddpm, { ...call, batchSize: 3 })
  const two = await page.call("pictures", ddpm, { ...call, batchSize: 2 })
  expectClose(two, three.slice(0, two.length))
  const given = { latentsSeed: 3 }
  const fromLatents = await page.call("pictures", ddpm, { ...call, batchSize: 2 }, given)
  expectClose(
    await page.call("pictures", ddpm, { ...call, batchSize: 2 }, { ...given, watched: true }),
    fromLatents,
  )
  expect(fromLatents).not.toEqual(two)

  for (const derived of [false, true]) {
    await page.call("setScheduler", ddpm, 0.3, derived)
    const swapped = await page.call("pictures", ddpm, call)
    expect(swapped).not.toEqual(alone)
    expectClose(await page.call("pictures", ddpm, call, { watched: true }), swapped)
  }

  expect(await page.call("disturbed", ddim, "dispose")).toBe("DISPOSED")
  await page.call("setScheduler", ddpm, 0.8, false)
  const moved = await page.call("disturbed", ddpm, "move")
  expect(await page.call("device", ddpm)).toEqual({ now: "wasm", lost: [] })
  expectClose(moved as number[], alone)
})

test("again and again, without growth of the GPU's memory", async () => {
  await using page = await open()
  await load(page, "score-sde/tiny-ddpm", { device: "webgpu", worker: false })
  const bytes: number[] = []
  for (let i = 0; i < 10; i++) {
    await page.call("pictures", "pipe", { numInferenceSteps: 1, seed: 1, batchSize: 2 })
    bytes.push(await page.call("bytesOnGpu"))
  }
  // ONNX Runtime leaves the few numbers of a step's graph to the garbage collector. The state is 8 kB.
  expect(bytes.at(-1)! - bytes[2]!).toBeLessThan(1000)
})

test("in 16 bits where the adapter has none: on the next device of `auto`", async () => {
  await using page = await open()
  expect(await load(page, tiny, { dtype: "fp16" })).toBe("wasm")
  expect((await page.call("device", "pipe")).lost).toEqual(["webgpu: DEVICE_UNAVAILABLE"])
  expectSamePictures(tiny, (await page.call("sample", "pipe", seed, options)).pictures)
})

test("when the device is lost between two steps, or while nothing is done: on the next device of `auto`", async () => {
  await using fragile = await startChromium()
  await using page = await openPage<Program>(fragile.context, site, "pipeline")
  for (const name of ["pipe", "idle"]) expect(await load(page, tiny, {}, name)).toBe("webgpu")
  const steps = { numInferenceSteps: 300 }
  const sampling = page.call("sample", "pipe", seed, steps)
  await expect.poll(() => page.call("stepsDone"), { timeout: 200_000 }).toBeGreaterThan(0)
  await fragile.crashGpu()
  const { pictures } = await sampling
  const onNext = { now: "wasm", lost: ["webgpu: DEVICE_LOST"] }
  expect(await page.call("device", "pipe")).toEqual(onNext)
  expect((await page.call("sample", "pipe", seed, steps)).pictures).toEqual(pictures)
  // The same worker held both. Its noise is drawn on the CPU, and must begin anew too.
  const idle = await page.call("sample", "idle", seed, options, "torch")
  expect(await page.call("device", "idle")).toEqual(onNext)
  expect(idle.pictures).toEqual((await page.call("sample", "idle", seed, options, "torch")).pictures)
})

test.each([true, false])(
  "when the device is lost while the first step compiles: on the next device, and later models on a new one (worker: %s)",
  async worker => {
    await using fragile = await startChromium()
    await using page = await openPage<Program>(fragile.context, site, "pipeline")
    expect(await load(page, tiny, { worker })).toBe("webgpu")
    const sampling = page.call("sample", "pipe", seed, optionsOf(tiny))
    await fragile.crashGpu()
    expectSamePictures(tiny, (await sampling).pictures)
    expect(await page.call("device", "pipe")).toEqual({ now: "wasm", lost: ["webgpu: DEVICE_LOST"] })
    expect(await load(page, tiny, { worker }, "next")).toBe("webgpu")
  },
)
