import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import { lstat, mkdir, readFile, readlink, symlink, utimes, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterEach, describe, expect, test, vi } from "vitest"
import { filesBelow, hideHubEnvironment, hubWithCache, someBytes, temporaryFolder } from "./hub-fixtures.ts"

// The disk's free space and what it does when it is full can't be arranged otherwise.
vi.mock("node:fs/promises", async importOriginal => {
  const original = await importOriginal<typeof fs>()
  return { ...original, statfs: vi.fn(original.statfs), symlink: vi.fn(original.symlink) }
})

hideHubEnvironment()
afterEach(() => {
  vi.unstubAllEnvs()
  vi.resetAllMocks()
  vi.restoreAllMocks()
})

const weights = someBytes(300_000)
const files = { "config.json": "{}", "unet/weights.bin": weights }
const repos = { "org/model": { files } }
/** Hashes that `git hash-object` and `sha256sum` print for the two files. */
const configDigest = "9e26dfeeb6e641a33dae4961196235bdb965b21b"
const weightsDigest = "cbbf1aa1724d6a078f109e131e053eaae7eb669f6ef00b1ad46004a6118d965d"

describe("the layout is that of huggingface_hub", () => {
  test("blobs, links, refs, absent files and locks", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    await repo.download(["config.json", "unet/weights.bin"])
    await expect(repo.open("unet/model.onnx")).rejects.toMatchObject({ code: "ENTRY_NOT_FOUND" })
    await repo.derivedFile("unet.v1.onnx").write(Buffer.from("graph"))

    const { commit } = repo
    const folder = join(cacheDir, "models--org--model")
    expect(await filesBelow(cacheDir)).toEqual(
      [
        `.no_exist/${commit}/unet/model.onnx`,
        `.score-sde/derived/${commit}/unet.v1.onnx`,
        `.score-sde/trees/${commit}.json`,
        `blobs/${configDigest}`,
        `blobs/${weightsDigest}`,
        "refs/main",
        `snapshots/${commit}/config.json`,
        `snapshots/${commit}/unet/weights.bin`,
      ].map(path => `models--org--model/${path}`),
    )
    expect(await readlink(join(folder, `snapshots/${commit}/config.json`))).toBe(
      `../../blobs/${configDigest}`,
    )
    expect(await readlink(join(folder, `snapshots/${commit}/unet/weights.bin`))).toBe(
      `../../../blobs/${weightsDigest}`,
    )
    expect(await readFile(join(folder, "refs/main"), "utf8")).toBe(commit)
    expect(await repo.localPath("unet/weights.bin")).toBe(
      join(folder, `snapshots/${commit}/unet/weights.bin`),
    )
  })

  test("what Python stored is read, without a connection too", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const commit = (await open("org/model", { cacheDir: await temporaryFolder() })).commit!
    const folder = join(cacheDir, "models--org--model")
    const snapshot = join(folder, "snapshots", commit)
    await mkdir(join(snapshot, "unet"), { recursive: true })
    await mkdir(join(folder, "blobs"))
    await mkdir(join(folder, "refs"))
    await writeFile(join(folder, "blobs", weightsDigest), weights)
    await symlink(`../../../blobs/${weightsDigest}`, join(snapshot, "unet/weights.bin"))
    await writeFile(join(folder, "refs/main"), commit)

    const offline = await open("org/model", { localFilesOnly: true })
    expect(offline.files).toEqual([{ path: "unet/weights.bin", size: 300_000 }])
    const source = await offline.open("unet/weights.bin")
    expect(source.size).toBe(300_000)
    await source.close()

    server.reset()
    await (await open("org/model")).download(["unet/weights.bin"])
    expect(server.requests.map(request => request.server)).toEqual(["hub"])
  })

  test("a blob of an older commit is linked, not fetched", async () => {
    const { server, open } = await hubWithCache({ repos })
    await (await open("org/model")).download(["unet/weights.bin"])
    server.commit("org/model", { ...files, "config.json": "new" })
    server.reset()
    const repo = await open("org/model")
    expect((await readFile(await repo.localPath("unet/weights.bin"))).equals(weights)).toBe(true)
    expect(server.requests).toHaveLength(1)
  })

  test("where there are no symbolic links, files are linked in another way or copied", async () => {
    const { open } = await hubWithCache({ repos })
    vi.mocked(fs.symlink).mockRejectedValue(Object.assign(new Error("not permitted"), { code: "EPERM" }))
    const repo = await open("org/model")
    const path = await repo.localPath("config.json")
    expect((await lstat(path)).isFile()).toBe(true)
    expect(await readFile(path, "utf8")).toBe("{}")
  })
})

describe("one fetch is enough", () => {
  test("for four calls at once", async () => {
    const { server, cacheDir, open } = await hubWithCache({
      repos,
      faults: [{ match: "weights.bin", server: "cdn", kind: "slow", pieces: 5, pause: 20 }],
    })
    const opened = await Promise.all([1, 2, 3, 4].map(() => open("org/model")))
    const paths = await Promise.all(opened.map(repo => repo.localPath("unet/weights.bin")))
    expect(new Set(paths).size).toBe(1)
    expect((await readFile(paths[0]!)).equals(weights)).toBe(true)
    expect(server.requests.filter(request => request.server === "cdn")).toHaveLength(1)
    expect((await filesBelow(cacheDir)).filter(file => /incomplete|lock$/.test(file))).toEqual([])
  })

  test("for three processes at once", async () => {
    const { server, cacheDir } = await hubWithCache({
      repos,
      faults: [{ match: "weights.bin", server: "cdn", kind: "slow", pieces: 10, pause: 150 }],
    })
    const child = fileURLToPath(new URL("fetch-in-child.ts", import.meta.url))
    const run = () =>
      promisify(execFile)(process.execPath, [
        ...["--import", "tsx", child],
        ...[server.url, cacheDir, "org/model", "unet/weights.bin"],
      ])
    await Promise.all([run(), run(), run()])
    expect(server.requests.filter(request => request.server === "cdn")).toHaveLength(1)
  })

  test("of one repository, also where calls overlap", async () => {
    const { server, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    await Promise.all([
      repo.download(["config.json", "unet/weights.bin", "config.json"]),
      repo.localPath("unet/weights.bin"),
      repo.readText("config.json", 10),
    ])
    expect(server.requests.map(request => request.url.split("?")[0]).sort()).toEqual(
      [
        `/api/models/org/model/revision/main`,
        `/org/model/resolve/${repo.commit}/config.json`,
        `/org/model/resolve/${repo.commit}/unet/weights.bin`,
        `/org/model@${repo.commit}/unet/weights.bin`,
      ].sort(),
    )
  })

  test.each([
    ["of a process that is gone", { pid: 2 ** 22 + 1, host: hostname(), key: "x" }, 0],
    ["that has long been silent", { pid: 1, host: "another", key: "x" }, 60],
  ])("and a lock %s is taken over", async (_, owner, age) => {
    const { cacheDir, open } = await hubWithCache({ repos })
    const locks = join(cacheDir, ".locks/models--org--model")
    const lock = join(locks, `${configDigest}.score-sde.lock`)
    await mkdir(locks, { recursive: true })
    await writeFile(lock, JSON.stringify(owner))
    const then = new Date(Date.now() - age * 1000)
    await utimes(lock, then, then)
    await (await open("org/model")).download(["config.json"])
    expect(await filesBelow(locks)).toEqual([])
  })

  test("but a live lock is waited for, until the caller has enough of it", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    const locks = join(cacheDir, ".locks/models--org--model")
    await mkdir(locks, { recursive: true })
    const lock = join(locks, `${configDigest}.score-sde.lock`)
    await writeFile(lock, JSON.stringify({ pid: 1, host: "another", key: "x" }))
    const repo = await open("org/model", { signal: AbortSignal.timeout(300) })
    await expect(repo.download(["config.json"])).rejects.toMatchObject({ code: "ABORTED" })
    expect(await filesBelow(locks)).toEqual([`${configDigest}.score-sde.lock`])
  })
})

describe("a damaged cache", () => {
  async function damaged() {
    const hub = await hubWithCache({ repos })
    const repo = await hub.open("org/model")
    await repo.download(["config.json", "unet/weights.bin"])
    const folder = join(hub.cacheDir, "models--org--model")
    const blob = join(folder, "blobs", weightsDigest)
    await writeFile(blob, weights.subarray(0, 1000))
    return { ...hub, blob, folder, commit: repo.commit! }
  }

  test("is mended with a connection", async () => {
    const { open } = await damaged()
    const repo = await open("org/model")
    expect((await readFile(await repo.localPath("unet/weights.bin"))).equals(weights)).toBe(true)
  })

  test("is reported without one", async () => {
    const { open } = await damaged()
    const repo = await open("org/model", { localFilesOnly: true })
    await expect(repo.open("unet/weights.bin")).rejects.toMatchObject({
      code: "INTEGRITY",
      message: expect.stringContaining("1000 bytes instead of 300000"),
    })
    expect(await repo.readText("config.json", 10)).toBe("{}")
  })

  test("is found out by its hash where sizes are not known, as in Python's cache", async () => {
    const { open, blob, folder, commit } = await damaged()
    await fs.rm(join(folder, ".score-sde"), { recursive: true })
    const changed = Uint8Array.from(weights)
    changed[0]! ^= 1
    await writeFile(blob, changed)
    const repo = await open("org/model", { localFilesOnly: true, revision: commit })
    await expect(repo.open("unet/weights.bin")).rejects.toMatchObject({
      code: "INTEGRITY",
      message: expect.stringContaining(`instead of ${weightsDigest}`),
    })
    expect(await repo.readText("config.json", 10)).toBe("{}")
  })

  test("with links that lead nowhere is filled again", async () => {
    const { open, blob } = await damaged()
    await fs.rm(blob)
    const repo = await open("org/model")
    expect((await readFile(await repo.localPath("unet/weights.bin"))).equals(weights)).toBe(true)
  })

  test("with a broken ref or listing is asked for again", async () => {
    const { open, folder, commit } = await damaged()
    await writeFile(join(folder, "refs/main"), "../../etc")
    await writeFile(join(folder, `.score-sde/trees/${commit}.json`), '{ "format_version": 1, "files": 7 }')
    await expect(open("org/model", { localFilesOnly: true })).rejects.toMatchObject({ code: "OFFLINE" })
    const repo = await open("org/model", { revision: commit })
    expect(repo.files).toHaveLength(2)
  })
})

describe("forceDownload", () => {
  test("fetches again, once", async () => {
    const { server, open } = await hubWithCache({ repos })
    await (await open("org/model")).download(["config.json"])
    server.reset()
    const repo = await open("org/model", { forceDownload: true })
    await repo.download(["config.json"])
    await repo.readText("config.json", 10)
    expect(server.requests.filter(request => request.url.includes("/resolve/"))).toHaveLength(1)
  })
})

describe("a disk that can't take it", () => {
  test("is noticed before anything is fetched", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    vi.mocked(fs.statfs).mockResolvedValue({ blocks: 100, bsize: 4096, bavail: 10 } as Awaited<
      ReturnType<typeof fs.statfs>
    >)
    server.reset()
    await expect(repo.download(["unet/weights.bin"])).rejects.toMatchObject({
      code: "NO_SPACE",
      message: expect.stringContaining("40960 bytes free, but 300000 are needed"),
    })
    expect(server.requests).toEqual([])
    expect((await filesBelow(cacheDir)).filter(file => /blobs|snapshots/.test(file))).toEqual([])
  })

  test("that becomes full ends the transfer and keeps nothing of it", async () => {
    const { server, cacheDir, open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    const probe = await fs.open(join(cacheDir, "probe"), "w")
    const fileHandle = Object.getPrototypeOf(probe) as fs.FileHandle
    await probe.close()
    await fs.rm(join(cacheDir, "probe"))
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
    vi.spyOn(fileHandle, "appendFile").mockRejectedValue(full)
    await expect(repo.download(["unet/weights.bin"])).rejects.toMatchObject({
      code: "NO_SPACE",
      message: expect.stringContaining("Make room"),
    })
    expect(server.requests.filter(request => request.server === "cdn")).toHaveLength(1)
    expect((await filesBelow(cacheDir)).filter(file => /blobs|snapshots|lock/.test(file))).toEqual([])
  })

  test("because a file is in the way of the cache", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    await writeFile(join(cacheDir, "models--org--model"), "")
    const repo = await open("org/model")
    await expect(repo.download(["config.json"])).rejects.toMatchObject({ code: "CACHE_FAILED" })
  })
})

describe("what was left behind", () => {
  test("by a transfer that was killed is cleared away when it is old", async () => {
    const { cacheDir, open } = await hubWithCache({ repos })
    const blobs = join(cacheDir, "models--org--model/blobs")
    await mkdir(blobs, { recursive: true })
    for (const name of ["aaaaaaaa", "bbbbbbbb"]) {
      await writeFile(join(blobs, `${configDigest}.${name}.incomplete`), "{")
    }
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000)
    await utimes(join(blobs, `${configDigest}.aaaaaaaa.incomplete`), longAgo, longAgo)
    await (await open("org/model")).download(["config.json"])
    expect(await filesBelow(blobs)).toEqual([configDigest, `${configDigest}.bbbbbbbb.incomplete`])
  })
})

describe("a derived file", () => {
  test("is kept by commit, whole or not at all", async () => {
    const { server, open } = await hubWithCache({ repos })
    const derived = (await open("org/model")).derivedFile("unet.v1.onnx")
    expect(await derived.localPath()).toBeUndefined()
    expect(await derived.open()).toBeUndefined()

    const broken = async function* () {
      yield Buffer.from("half a gr")
      throw new Error("no more")
    }
    await expect(derived.write(broken())).rejects.toThrow("no more")
    expect(await derived.localPath()).toBeUndefined()

    await derived.write(Buffer.from("graph"))
    const path = (await derived.localPath())!
    expect(await readFile(path, "utf8")).toBe("graph")
    expect(await filesBelow(join(path, ".."))).toEqual(["unet.v1.onnx"])
    const source = await (await open("org/model")).derivedFile("unet.v1.onnx").open()
    expect(source?.size).toBe(5)
    await source?.close()

    server.commit("org/model", { "config.json": "new" })
    expect(await (await open("org/model")).derivedFile("unet.v1.onnx").localPath()).toBeUndefined()
  })

  test.each(["../x", "a/b", "", ".hidden", "a\0b"])("can't be called %j", async name => {
    const { open } = await hubWithCache({ repos })
    const repo = await open("org/model")
    expect(() => repo.derivedFile(name)).toThrow(expect.objectContaining({ code: "INVALID_PATH" }))
  })
})
