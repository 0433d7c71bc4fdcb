// Models' files in a real Chromium, on pages with a strict Content-Security-Policy.
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import fixture from "../fixtures/pipelines/pipelines.json" with { type: "json" }
import { someBytes } from "../hub/hub-fixtures.ts"
import { type HubServer, startHubServer } from "../hub-server/hub-server.ts"
import { flatModelFiles, formulaSafetensors, temporaryFolder, writeModel } from "../pipelines/tiny-model.ts"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage, type ProgramPage } from "./open-page.ts"
import type { Outcome, Sampled } from "./pages/files.ts"
import { type Site, startSite } from "./site.ts"

type Program = typeof import("./pages/files.ts")

const root = fileURLToPath(new URL("../..", import.meta.url))
const large = someBytes(20 * 2 ** 20)
const largeDigest = createHash("sha256").update(large).digest("hex")
const expected = fixture.cases.find(({ name }) => name === "DDPM")!

let browser: Chromium
let hub: HubServer
let site: Site
beforeAll(async () => {
  hub = await startHubServer({
    repos: {
      "org/torch": {
        files: {
          ...flatModelFiles,
          "diffusion_pytorch_model.bin": await readFile(join(root, "test/fixtures/pipelines/plain.bin")),
        },
      },
      "org/safetensors": {
        files: { ...flatModelFiles, "diffusion_pytorch_model.safetensors": await formulaSafetensors() },
      },
      "org/large": { files: { "large.bin": large } },
    },
  })
  site = await startSite({
    contentSecurityPolicy: [
      "default-src 'none'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "worker-src 'self'",
      `connect-src 'self' ${hub.url} ${hub.cdnUrl}`,
    ].join("; "),
    files: { "/": "<!doctype html><html lang=en><title>score-sde</title><input type=file webkitdirectory>" },
  })
  browser = await startChromium()
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
  await hub.close()
})

const open = (): Promise<ProgramPage<Program>> => openPage<Program>(browser.context, site, "files")
const options = () => ({ endpoint: hub.url, device: "wasm", threads: 1, retries: 0 }) as const
const kept = (cache: "cache-api" | "opfs") => ({ endpoint: hub.url, cache })

function unwrap<T>(outcome: Outcome<T>): T {
  if ("code" in outcome) throw new Error(`${outcome.code}: ${outcome.message}`)
  return outcome.value
}

function expectPicture({ values, device }: Sampled): void {
  expect(device).toBe("wasm")
  const worst = expected.values.map((value, j) => {
    const found = values[Math.floor((j * (values.length - 1)) / 63)]!
    return Math.abs(found - value)
  })
  expect(Math.max(...worst)).toBeLessThan(2e-4)
}

describe("a model of the Hub", () => {
  test.each([
    ["org/torch", "cache-api"],
    ["org/safetensors", "opfs"],
  ] as const)(
    "%s is fetched into %s, converted, sampled, and after a reload all that is kept",
    async (id, cache) => {
      hub.reset()
      const asked = { ...options(), cache }
      const elsewhere: string[] = []
      {
        await using page = await open()
        page.page.on("request", request => {
          const { origin } = new URL(request.url())
          if (![site.url, hub.url, hub.cdnUrl].includes(origin)) elsewhere.push(request.url())
        })
        expect(await page.call("isCached", id, kept(cache))).toBe(false)
        const first = unwrap(await page.call("sample", id, expected.steps, asked))
        expectPicture(first)
        const statuses = new Set(first.events.map(({ status }) => status))
        expect(statuses).toEqual(new Set(["initiate", "progress", "progress_total", "done"]))
        if (cache === "cache-api") expect(await page.call("keptKinds")).toContain("derived")
      }
      await using page = await open()
      hub.reset()
      expect(await page.call("isCached", id, kept(cache))).toBe(true)
      expectPicture(unwrap(await page.call("sample", id, expected.steps, { ...asked, localFilesOnly: true })))
      expect(hub.requests).toEqual([])
      expect((await page.call("clearCache", id, kept(cache))).bytes).toBeGreaterThan(100_000)
      expect(await page.call("isCached", id, kept(cache))).toBe(false)
      expect(elsewhere).toEqual([])
    },
  )

  test("gives typed errors when it can't be fetched, and is fetched later", async () => {
    hub.reset()
    await using page = await open()
    hub.addFault({ match: "/api/models/", kind: "status", status: 503, times: 1 })
    expect(await page.call("sample", "org/torch", 1, options())).toMatchObject({ code: "DOWNLOAD_FAILED" })
    hub.addFault({ match: ".bin", server: "cdn", kind: "status", status: 500, times: 1 })
    expect(await page.call("sample", "org/torch", 1, options())).toMatchObject({ code: "DOWNLOAD_FAILED" })
    hub.addFault({ match: ".bin", server: "cdn", kind: "corrupt", times: 2 })
    expect(await page.call("sample", "org/torch", 1, { ...options(), retries: 1 })).toMatchObject({
      code: "INTEGRITY",
    })
    await page.page.context().setOffline(true)
    expect(await page.call("sample", "org/safetensors", 1, options())).toMatchObject({ code: "OFFLINE" })
    await page.page.context().setOffline(false)
    expectPicture(unwrap(await page.call("sample", "org/torch", expected.steps, options())))
  })

  test("finds ONNX Runtime where it is told to, and says when it isn't there", async () => {
    await using page = await open()
    const lost = await page.call("sample", "org/torch", 1, { ...options(), wasmPaths: "/nowhere" })
    expect(lost).toMatchObject({ code: "DEVICE_UNAVAILABLE" })
    const asked = site.requests.length
    const found = await page.call("sample", "org/torch", expected.steps, { ...options(), wasmPaths: "/ort" })
    expectPicture(unwrap(found))
    expect(site.requests.slice(asked).filter(path => path.endsWith(".wasm"))).toEqual([
      "/ort/ort-wasm-simd-threaded.asyncify.wasm",
    ])
  })
})

describe("a large file", () => {
  test.each(["cache-api", "opfs"] as const)("goes on after a reload where it stopped, in %s", async cache => {
    const asked = { ...options(), cache }
    hub.reset()
    hub.addFault({ match: "large.bin", server: "cdn", kind: "hang", after: 18 * 2 ** 20, times: 1 })
    {
      await using page = await open()
      await page.call("clearCache", undefined, kept(cache))
      page.call("download", "org/large", "large.bin", asked).catch(() => {})
      // The page goes away with two pieces written and a third in its memory.
      await expect.poll(() => page.call("keptPieces", cache), { timeout: 60_000 }).toBe(2)
    }
    await using page = await open()
    expect(unwrap(await page.call("download", "org/large", "large.bin", asked))).toEqual({
      size: large.length,
      sha256: largeDigest,
    })
    expect(hub.requests.at(-1)?.headers.range).toBe("bytes=16777216-")
    await page.call("clearCache", undefined, kept(cache))
  })

  test("goes on after it was aborted", async () => {
    hub.reset()
    hub.addFault({ match: "large.bin", server: "cdn", kind: "slow", pieces: 80, pause: 60, times: 1 })
    await using page = await open()
    const aborted = await page.call("download", "org/large", "large.bin", options(), 2 ** 20)
    expect(aborted).toMatchObject({ code: "ABORTED" })
    expect(unwrap(await page.call("download", "org/large", "large.bin", options())).sha256).toBe(largeDigest)
    expect(hub.requests.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d+-$/)
    await page.call("clearCache")
  })

  test.each(["cache-api", "opfs"] as const)(
    "that is larger than the quota of %s is refused with both sizes",
    async cache => {
      hub.reset()
      await using page = await open()
      const session = await page.page.context().newCDPSession(page.page)
      await session.send("Storage.overrideQuotaForOrigin", { origin: site.url, quotaSize: 12_000_000 })
      const refused = await page.call("download", "org/large", "large.bin", { ...options(), cache })
      expect(refused).toMatchObject({ code: "NO_SPACE", hint: expect.stringContaining("clearCache") })
      expect(refused).toHaveProperty(
        "message",
        expect.stringMatching(/grants this page \d+ more bytes.* 20971520 are needed/),
      )
      expect(hub.requests.filter(({ server }) => server === "cdn")).toEqual([])

      await page.call("promiseSpace")
      const full = await page.call("download", "org/large", "large.bin", { ...options(), cache })
      expect(full).toMatchObject({ code: "NO_SPACE", message: expect.stringContaining("20971520 bytes") })
      await session.send("Storage.overrideQuotaForOrigin", { origin: site.url })
      // Nothing of it holds on to the space.
      expect((await page.call("clearCache", "org/large", kept(cache))).bytes).toBeLessThan(1000)
    },
  )
})

test("a folder that the visitor chose is a model, by its files and by its handle", async () => {
  await using page = await open()
  await using folder = await temporaryFolder()
  await writeModel(folder.path, {
    className: "DDPMPipeline",
    schedulerClass: "DDPMScheduler",
    scheduler: { num_train_timesteps: 100, variance_type: "fixed_large" },
  })
  await page.page.setInputFiles("input", folder.path)
  expectPicture(await page.call("sampleChosenFiles", expected.steps, { device: "wasm", threads: 1 }))
  expectPicture(await page.call("sampleHandle", expected.steps, { device: "wasm", threads: 1 }))
})
