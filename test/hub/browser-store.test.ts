import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { resolveRevision } from "../../src/hub/hub-api.ts"
import { HubRepo } from "../../src/hub/hub-repo.ts"
import type { HubOptions } from "../../src/hub/options.ts"
import type { DownloadEvent } from "../../src/hub/progress.ts"
import { resolveSettings } from "../../src/hub/settings.ts"
import { makeDirectory, writeFileAtomic } from "../../src/platform/browser/files.ts"
import { openFolder } from "../../src/platform/browser/folder.ts"
import { clearStores, openRepoStore } from "../../src/platform/browser/repo-store.ts"
import type { HubServer } from "../hub-server/hub-server.ts"
import { fakeNavigator } from "../platform/opfs.ts"
import { fakeStorage } from "./cache-storage.ts"
import { hideHubEnvironment, someBytes, temporaryHub } from "./hub-fixtures.ts"

hideHubEnvironment()

const weights = someBytes(300_000)
const repos = { "org/model": { files: { "config.json": "{}", "unet/a b#.bin": weights, "empty.txt": "" } } }

function stubStorage(...sizes: number[]): void {
  const { caches, navigator } = fakeStorage(...sizes)
  vi.stubGlobal("caches", caches)
  vi.stubGlobal("navigator", navigator)
}

beforeEach(() => stubStorage())
afterEach(() => void vi.unstubAllGlobals())

const id = "org/model"

async function openCached(server: HubServer, options: HubOptions = {}): Promise<HubRepo> {
  const settings = { ...(await resolveSettings({ endpoint: server.url, ...options })), cacheDir: "test" }
  const store = openRepoStore({ ...settings, id })
  const { commit, files } = await resolveRevision(id, "main", settings)
  return new HubRepo({ id, commit, listed: files, offline: undefined, store, settings })
}

describe.each(["cache-api", "opfs"] as const)("the browser's storage, %s", cache => {
  const openStore = (endpoint: string) => openRepoStore({ id, endpoint, cacheDir: "test", cache })
  const openInBrowser = (server: HubServer, options: HubOptions = {}) =>
    openCached(server, { cache, ...options })

  test("keeps files with their hashes, by commit", async () => {
    const server = await temporaryHub({ repos })
    const repo = await openInBrowser(server)
    const source = await repo.open("unet/a b#.bin")
    expect(source.size).toBe(300_000)
    expect(await source.read(1000, 3)).toEqual(weights.slice(1000, 1003))
    expect(await repo.readText("config.json", 10)).toBe("{}")
    expect(await repo.readText("empty.txt", 10)).toBe("")

    server.reset()
    await (await openInBrowser(server)).download(["unet/a b#.bin", "config.json", "empty.txt"])
    expect(server.requests).toHaveLength(1)

    const store = openStore(server.url)
    expect(await store.list(repo.commit)).toEqual([
      { path: "config.json", size: 2, digest: "9e26dfeeb6e641a33dae4961196235bdb965b21b" },
      { path: "empty.txt", size: 0, digest: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" },
      { path: "unet/a b#.bin", size: 300_000, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ])
    expect(await store.list("0".repeat(40))).toEqual([])
    await expect(repo.localPath("config.json")).rejects.toMatchObject({ code: "NO_LOCAL_PATH" })
  })

  test.each([
    ["a lost connection", { kind: "drop", after: 100_000 } as const],
    [
      "a lost connection to a file without a version",
      { kind: "drop", after: 100_000, etag: 'W/"x"' } as const,
    ],
    ["a wrong bit", { kind: "corrupt" } as const],
  ])("holds the right bytes after %s", async (_, fault) => {
    const server = await temporaryHub({
      repos,
      faults: [{ match: ".bin", server: "cdn", times: 1, ...fault }],
    })
    const repo = await openInBrowser(server)
    const source = await repo.open("unet/a b#.bin")
    expect(Buffer.from(await source.read(0, source.size)).equals(weights)).toBe(true)
  })

  test("goes on where an interrupted transfer stopped, after a reload too", async () => {
    const server = await temporaryHub({
      repos,
      faults: [{ match: ".bin", server: "cdn", times: 1, kind: "drop", after: 100_000 }],
    })
    const first = await openInBrowser(server, { retries: 0 })
    await expect(first.open("unet/a b#.bin")).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
    expect(await openStore(server.url).list(first.commit)).toEqual([])

    server.reset()
    const events: DownloadEvent[] = []
    const repo = await openInBrowser(server, { onProgress: event => void events.push(event) })
    const source = await repo.open("unet/a b#.bin")
    expect(Buffer.from(await source.read(0, source.size)).equals(weights)).toBe(true)
    const ranges = server.requests.flatMap(({ headers }) => headers.range ?? [])
    expect(ranges).toEqual([`bytes=100000-`, "bytes=100000-"])
    expect(events.find(({ status }) => status === "progress")).toMatchObject({ loaded: 100_000 })
  })

  test("starts again when what was left belongs to nothing", async () => {
    const server = await temporaryHub({
      repos,
      faults: [
        // A wrong bit in what is kept: only the hash of the whole can tell.
        { match: ".bin", server: "cdn", times: 1, kind: "drop", after: 100_000, corrupt: true },
      ],
    })
    const first = await openInBrowser(server, { retries: 0 })
    await expect(first.open("unet/a b#.bin")).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
    const repo = await openInBrowser(server)
    const source = await repo.open("unet/a b#.bin")
    expect(Buffer.from(await source.read(0, source.size)).equals(weights)).toBe(true)
  })

  test("keeps what an aborted transfer brought", async () => {
    const server = await temporaryHub({
      repos,
      faults: [{ match: ".bin", server: "cdn", times: 1, kind: "hang", after: 200_000 }],
    })
    const controller = new AbortController()
    const aborted = await openInBrowser(server, {
      signal: controller.signal,
      onProgress: event => void (event.status === "initiate" && setTimeout(() => controller.abort(), 300)),
    })
    await expect(aborted.open("unet/a b#.bin")).rejects.toMatchObject({ code: "ABORTED" })
    server.reset()
    await (await openInBrowser(server)).open("unet/a b#.bin")
    expect(server.requests.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/)
  })

  test("keeps one copy of a file that two commits have, and clears what only one needs", async () => {
    const server = await temporaryHub({ repos })
    const first = await openInBrowser(server)
    await first.download(["unet/a b#.bin", "config.json"])
    await first.derivedFile("unet.v1.onnx").write(new Uint8Array(1000))
    await first.derivedFile("unet.v1.onnx").write(new Uint8Array(2000))
    server.commit(id, { "config.json": "new", "unet/a b#.bin": weights })
    server.reset()
    const second = await openInBrowser(server)
    await second.download(["unet/a b#.bin", "config.json"])
    expect(server.requests.filter(request => request.server === "cdn")).toEqual([])

    const store = openStore(server.url)
    // The old config.json, the derived file, and a few bytes that say where they are.
    expect(await store.clear(first.commit)).toBeLessThan(3000)
    expect(await store.list(first.commit)).toEqual([])
    expect(await store.derivedFile(first.commit, "unet.v1.onnx").open()).toBeUndefined()
    expect((await store.list(second.commit)).map(({ path }) => path)).toEqual([
      "config.json",
      "unet/a b#.bin",
    ])
    const source = await store.open(second.commit, "unet/a b#.bin")
    expect(Buffer.from(await source.read(0, source.size)).equals(weights)).toBe(true)

    expect(await store.clear()).toBeGreaterThan(weights.length)
    expect(await clearStores({ cacheDir: "test", cache })).toBe(0)
  })

  test("holds nothing of a transfer that failed", async () => {
    const server = await temporaryHub({ repos, faults: [{ match: ".bin", server: "cdn", kind: "corrupt" }] })
    const repo = await openInBrowser(server)
    await expect(repo.open("unet/a b#.bin")).rejects.toMatchObject({ code: "INTEGRITY" })
    const store = openStore(server.url)
    expect(await store.list(repo.commit)).toEqual([])
  })

  test("says when it is full, before or during a transfer", async () => {
    const server = await temporaryHub({ repos })
    stubStorage(1000, 1000)
    const small = await openInBrowser(server)
    await expect(small.open("unet/a b#.bin")).rejects.toMatchObject({
      code: "NO_SPACE",
      message: expect.stringContaining("1000 more bytes, but 300000 are needed"),
    })
    stubStorage(1000, 2 ** 30)
    const lying = await openInBrowser(server)
    await expect(lying.open("unet/a b#.bin")).rejects.toMatchObject({ code: "NO_SPACE" })
  })

  test("fetches once for calls at once", async () => {
    const server = await temporaryHub({ repos })
    const opened = await Promise.all([openInBrowser(server), openInBrowser(server)])
    await Promise.all(opened.map(repo => repo.open("unet/a b#.bin")))
    expect(server.requests.filter(request => request.server === "cdn")).toHaveLength(1)
  })

  test("remembers refs, listings, absent files and derived files", async () => {
    const store = openStore("https://hub.example")
    const commit = "0".repeat(40)
    expect(await store.readRef("refs/pr/1")).toBeUndefined()
    await store.rememberRef("refs/pr/1", commit)
    expect(await store.readRef("refs/pr/1")).toBe(commit)
    await store.rememberTree(commit, "{}")
    expect(await store.readTree(commit)).toBe("{}")
    expect(await store.isAbsent(commit, "a/b")).toBe(false)
    await store.rememberAbsent(commit, "a/b")
    expect(await store.isAbsent(commit, "a/b")).toBe(true)

    const derived = store.derivedFile(commit, "unet.v1.onnx")
    expect(await derived.open()).toBeUndefined()
    await derived.write(new TextEncoder().encode("graph"))
    const source = await store.derivedFile(commit, "unet.v1.onnx").open()
    expect(new TextDecoder().decode(await source?.read(0, 5))).toBe("graph")
  })

  test("is missed where a page has none", async () => {
    const server = await temporaryHub({ repos })
    const repo = await openInBrowser(server)
    vi.stubGlobal("caches", undefined)
    vi.stubGlobal("navigator", { ...navigator, storage: { estimate: async () => ({}) } })
    await expect(repo.open("config.json")).rejects.toMatchObject({ code: "CACHE_FAILED" })
  })
})

describe("a folder of the origin private file system", () => {
  test("is listed and read, and what isn't there is no folder", async () => {
    vi.stubGlobal("navigator", fakeNavigator())
    await makeDirectory("models/mine/unet")
    await writeFileAtomic("models/mine/unet/config.json", new TextEncoder().encode("{}"))
    const folder = await openFolder("models/mine")
    expect(folder?.files).toMatchObject([{ path: "unet/config.json", size: 2 }])
    const source = await folder!.open("unet/config.json")
    expect(new TextDecoder().decode(await source.read(0, 2))).toBe("{}")
    expect(await openFolder("org/model")).toBeUndefined()
    expect(await openFolder("models/mine/unet/config.json")).toBeUndefined()

    const derived = folder!.derivedFile("unet.v1.onnx")
    expect(await derived.localPath()).toBeUndefined()
    await derived.write(new TextEncoder().encode("graph"))
    const derivedPath = await derived.localPath()
    expect(derivedPath).toMatch(/^\.score-sde\/folders\/[0-9a-f]{32}\/[0-9a-f]{32}\/unet\.v1\.onnx$/)
    expect(await clearStores({ cacheDir: "test", cache: "opfs" })).toBe(5)
    expect(await derived.localPath()).toBeUndefined()
  })

  test("is not looked for where a page has none", async () => {
    vi.stubGlobal("navigator", {})
    expect(await openFolder("org/model")).toBeUndefined()
  })
})
