import { readFile } from "node:fs/promises"
import { afterEach, describe, expect, test, vi } from "vitest"
import type { Fault, HubServer } from "../hub-server/hub-server.ts"
import { filesBelow, hideHubEnvironment, hubWithCache, someBytes } from "./hub-fixtures.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

const weights = someBytes(400_000)
const config = '{ "_class_name": "UNet2DModel" }\n'
const repos = { "org/model": { files: { "unet/weights.bin": weights, "config.json": config } } }

/** Compares fast, where `toEqual` looks at every element. */
const isWeights = (bytes: Buffer): boolean => bytes.equals(weights)

/** Requests for the weights that reached the server that has them. */
function transfers(server: HubServer) {
  return server.requests.filter(request => request.server === "cdn")
}

async function fetchWith(faults: Fault[], options: { retries?: number; path?: string } = {}) {
  const hub = await hubWithCache({ repos, faults })
  const repo = await hub.open("org/model", { retries: options.retries ?? 4 })
  const path = options.path ?? "unet/weights.bin"
  const result = repo.localPath(path).then(readFile)
  return { ...hub, repo, result }
}

async function expectNothingKept(cacheDir: string): Promise<void> {
  const files = await filesBelow(cacheDir)
  expect(files.filter(file => /blobs|snapshots|incomplete|\.lock$/.test(file))).toEqual([])
}

describe("a transfer that breaks off goes on where it stopped", () => {
  test.each<[string, Fault]>([
    [
      "the connection is lost",
      { match: "weights.bin", server: "cdn", times: 1, kind: "drop", after: 150_000 },
    ],
    ["the body ends early", { match: "weights.bin", server: "cdn", times: 1, kind: "cut", after: 150_000 }],
  ])("when %s", async (_, fault) => {
    const { server, result } = await fetchWith([fault])
    expect(await result).toSatisfy(isWeights)
    const [first, second, ...more] = transfers(server)
    expect(more).toEqual([])
    expect(first?.headers.range).toBeUndefined()
    expect(second?.headers.range).toMatch(/^bytes=[1-9]\d*-$/)
    expect(second?.headers["if-range"]).toMatch(/^"[0-9a-f]{64}"$/)
  })

  test("when the server goes silent", async () => {
    vi.stubEnv("HF_HUB_DOWNLOAD_TIMEOUT", "0.3")
    const { server, result } = await fetchWith([
      { match: "weights.bin", server: "cdn", times: 1, kind: "hang", after: 150_000 },
    ])
    expect(await result).toSatisfy(isWeights)
    expect(transfers(server)[1]?.headers.range).toMatch(/^bytes=[1-9]\d*-$/)
  })

  test("again and again, without using up the retries while it gets on", async () => {
    const large = someBytes(5_000_000)
    const hub = await hubWithCache({
      repos: { "org/model": { files: { "large.bin": large } } },
      faults: [{ match: "large.bin", server: "cdn", times: 3, kind: "drop", after: 1_500_000 }],
    })
    const repo = await hub.open("org/model", { retries: 1 })
    const bytes = await readFile(await repo.localPath("large.bin"))
    expect(bytes.equals(large)).toBe(true)
    expect(transfers(hub.server)).toHaveLength(4)
  })

  test("not at all when it is only slow", async () => {
    const { server, result } = await fetchWith([
      { match: "weights.bin", server: "cdn", kind: "slow", pieces: 10, pause: 20 },
    ])
    expect(await result).toSatisfy(isWeights)
    expect(transfers(server)).toHaveLength(1)
  })
})

describe("a transfer starts again", () => {
  const broken: Fault & { kind: "drop" } = {
    match: "weights.bin",
    server: "cdn",
    times: 1,
    kind: "drop",
    after: 150_000,
  }

  test.each<[string, Fault[]]>([
    [
      "when the file seems to have changed meanwhile",
      [broken, { match: "weights.bin", server: "cdn", times: 1, kind: "etag", etag: '"another"' }],
    ],
    ["when the server ignores ranges", [broken, { match: "weights.bin", server: "cdn", kind: "whole" }]],
    [
      "when the server refuses the range",
      [broken, { match: "weights.bin", server: "cdn", times: 1, kind: "unsatisfiable" }],
    ],
  ])("%s", async (_, faults) => {
    const { result } = await fetchWith(faults)
    expect(await result).toSatisfy(isWeights)
  })

  test("when the server gives nothing to recognise the file by", async () => {
    const { server, result } = await fetchWith([{ ...broken, etag: 'W/"weak"' }])
    expect(await result).toSatisfy(isWeights)
    expect(transfers(server).map(request => request.headers.range)).toEqual([undefined, undefined])
  })

  test("once when the bytes are wrong", async () => {
    const { server, result } = await fetchWith([
      { match: "weights.bin", server: "cdn", times: 1, kind: "corrupt" },
    ])
    expect(await result).toSatisfy(isWeights)
    expect(transfers(server).map(request => request.headers.range)).toEqual([undefined, undefined])
  })
})

describe("bytes that are not the repository's are refused", () => {
  test.each([["unet/weights.bin"], ["config.json"]])("a wrong bit in %s", async path => {
    const { result, cacheDir, server } = await fetchWith([{ match: path, kind: "corrupt" }], { path })
    await expect(result).rejects.toMatchObject({ code: "INTEGRITY", message: expect.stringContaining(path) })
    await expectNothingKept(cacheDir)
    expect(server.requests.filter(request => request.url.includes(path)).length).toBeLessThanOrEqual(4)
  })

  test("a body that is longer than the file", async () => {
    const body = new Uint8Array(500_000)
    const { result, cacheDir } = await fetchWith(
      [{ match: "weights.bin", server: "cdn", kind: "body", body }],
      {
        retries: 1,
      },
    )
    await expect(result).rejects.toMatchObject({
      code: "DOWNLOAD_FAILED",
      message: expect.stringContaining("more than the 400000 bytes"),
    })
    await expectNothingKept(cacheDir)
  })
})

describe("a server in trouble", () => {
  test("is asked again after 500", async () => {
    const { server, result } = await fetchWith([
      { match: "revision", times: 1, kind: "status", status: 500 },
      { match: "resolve", times: 1, kind: "status", status: 503 },
    ])
    expect(await result).toSatisfy(isWeights)
    expect(server.requests.filter(request => request.url.includes("/resolve/"))).toHaveLength(2)
  })

  test("is left alone for as long as it asks with 429", async () => {
    const times: number[] = []
    const hub = await hubWithCache({ repos })
    hub.server.addFault({
      match: "resolve",
      times: 1,
      kind: "status",
      status: 429,
      headers: { "retry-after": "1" },
    })
    const repo = await hub.open("org/model", {
      fetch: (url, init) => {
        if (String(url).includes("resolve")) times.push(performance.now())
        return fetch(url, init)
      },
    })
    await repo.localPath("config.json")
    expect(times).toHaveLength(2)
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(999)
  })

  test("is not waited for when it asks for an hour", async () => {
    const { result, server } = await fetchWith([
      { match: "resolve", kind: "status", status: 429, headers: { "retry-after": "3600" } },
    ])
    await expect(result).rejects.toMatchObject({
      code: "DOWNLOAD_FAILED",
      message: expect.stringContaining("asks to wait 60 minutes"),
    })
    expect(server.requests.filter(request => request.url.includes("/resolve/"))).toHaveLength(1)
  })

  test("is given up on after the retries", async () => {
    const { result, cacheDir, server } = await fetchWith(
      [{ match: "resolve", kind: "status", status: 500 }],
      {
        retries: 1,
      },
    )
    await expect(result).rejects.toMatchObject({
      code: "DOWNLOAD_FAILED",
      message: expect.stringContaining(
        "answered 500 when asked for unet/weights.bin of org/model (2 attempts)",
      ),
    })
    expect(server.requests.filter(request => request.url.includes("/resolve/"))).toHaveLength(2)
    await expectNothingKept(cacheDir)
  })

  test("is given up on when it never answers", async () => {
    vi.stubEnv("HF_HUB_ETAG_TIMEOUT", "0.2")
    const { result, cacheDir } = await fetchWith([{ match: "resolve", kind: "hang" }], { retries: 1 })
    await expect(result).rejects.toMatchObject({
      code: "DOWNLOAD_FAILED",
      message: expect.stringContaining("no sign of life for 0.2 s"),
    })
    await expectNothingKept(cacheDir)
  })

  test("is not asked in circles", async () => {
    const hub = await hubWithCache({ repos })
    hub.server.addFault({ match: "resolve", kind: "redirect", to: `${hub.server.url}/org/model/resolve/x/y` })
    const repo = await hub.open("org/model")
    await expect(repo.localPath("config.json")).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
    expect(hub.server.requests.filter(request => request.url.includes("/resolve/"))).toHaveLength(6)
  })
})

describe("an aborted call", () => {
  test("stops the transfer and leaves nothing", async () => {
    const { server, cacheDir, open } = await hubWithCache({
      repos,
      faults: [{ match: "weights.bin", server: "cdn", kind: "hang", after: 150_000 }],
    })
    const controller = new AbortController()
    const repo = await open("org/model", { signal: controller.signal })
    setTimeout(() => controller.abort(new Error("enough")), 200)
    await expect(repo.localPath("unet/weights.bin")).rejects.toMatchObject({
      code: "ABORTED",
      cause: expect.objectContaining({ message: "enough" }),
    })
    await expectNothingKept(cacheDir)
    expect(transfers(server)).toHaveLength(1)
  })

  test("stops waiting for the next attempt", async () => {
    const { open } = await hubWithCache({
      repos,
      faults: [{ match: "resolve", kind: "status", status: 429, headers: { "retry-after": "100" } }],
    })
    const repo = await open("org/model", { signal: AbortSignal.timeout(300) })
    await expect(repo.localPath("config.json")).rejects.toMatchObject({ code: "ABORTED" })
  })

  test("sends nothing when it comes aborted", async () => {
    const { server, open } = await hubWithCache({ repos })
    await expect(open("org/model", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    })
    expect(server.requests).toEqual([])
  })
})
