import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { AbortError } from "../../src/errors.ts"
import * as browser from "../../src/platform/browser/files.ts"
import * as node from "../../src/platform/node/files.ts"
import { fakeNavigator } from "./opfs.ts"

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)
const platforms: [string, typeof node | typeof browser][] = [
  ["node", node],
  ["browser", browser],
]

async function* pieces(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

describe.each(platforms)("files of %s", (platform, files) => {
  let folder: string

  beforeEach(async () => {
    vi.stubGlobal("navigator", fakeNavigator())
    folder = platform === "node" ? await mkdtemp(join(tmpdir(), "score-sde-files-")) : "folder"
    await files.makeDirectory(folder)
  })

  afterEach(async () => {
    vi.unstubAllGlobals()
    if (platform === "node") await rm(folder, { recursive: true })
  })

  const at = (...parts: string[]) => files.joinPath(folder, ...parts)

  it("writes at once or in pieces, and reads whole or by range", async () => {
    await files.writeFileAtomic(at("whole"), bytes)
    await files.writeFileAtomic(at("pieces"), pieces(bytes.subarray(0, 10), bytes.subarray(10)))
    expect(await files.readFile(at("whole"))).toEqual(bytes)
    expect(await files.readFile(at("pieces"))).toEqual(bytes)

    const source = await files.openFile(at("whole"))
    expect(source.size).toBe(1000)
    expect(await source.read(990, 10)).toEqual(bytes.slice(990))
    expect(await source.read(1000, 0)).toEqual(new Uint8Array())
    const read = await source.read(3, 4)
    expect([read.byteOffset, read.buffer.byteLength]).toEqual([0, 4])
    await source.close()
    await source.close()
  })

  it("replaces a file", async () => {
    await files.writeFileAtomic(at("file"), Uint8Array.of(1, 2, 3))
    await files.writeFileAtomic(at("file"), Uint8Array.of(4, 5))
    expect(await files.readFile(at("file"))).toEqual(Uint8Array.of(4, 5))
  })

  it("moves a file to another folder, over a file that is there", async () => {
    await files.makeDirectory(at("a"))
    await files.writeFileAtomic(at("a", "new"), bytes)
    await files.writeFileAtomic(at("old"), Uint8Array.of(1))
    await files.moveFile(at("a", "new"), at("old"))
    expect(await files.readFile(at("old"))).toEqual(bytes)
    expect(await files.listDirectory(at("a"))).toEqual([])
    await expect(files.moveFile(at("a", "new"), at("old"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" })
  })

  it("leaves nothing behind when the content fails or the call is aborted", async () => {
    await files.writeFileAtomic(at("kept"), Uint8Array.of(1))
    const failed = files.writeFileAtomic(at("kept"), pieces(bytes, new Error("cut off")))
    await expect(failed).rejects.toThrow("cut off")
    const aborted = files.writeFileAtomic(at("new"), bytes, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toThrow(AbortError)
    expect(await files.listDirectory(folder)).toEqual([{ name: "kept", kind: "file" }])
    expect(await files.readFile(at("kept"))).toEqual(Uint8Array.of(1))
  })

  it("lists, stats, makes and removes", async () => {
    await files.makeDirectory(at("b", "c"))
    await files.makeDirectory(at("b", "c"))
    await files.writeFileAtomic(at("a"), bytes)
    expect(await files.listDirectory(folder)).toEqual([
      { name: "a", kind: "file" },
      { name: "b", kind: "directory" },
    ])
    expect(await files.statFile(at("a"))).toEqual({ kind: "file", size: 1000 })
    expect(await files.statFile(at("b"))).toEqual({ kind: "directory", size: 0 })
    expect(await files.statFile(at("none", "deeper"))).toBeUndefined()
    await files.removePath(at("b"))
    await files.removePath(at("b"))
    await files.removePath(at("a"))
    expect(await files.listDirectory(folder)).toEqual([])
  })

  it("names what is wrong", async () => {
    await files.makeDirectory(at("directory"))
    await files.writeFileAtomic(at("file"), bytes)
    await expect(files.openFile(at("none"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" })
    await expect(files.listDirectory(at("none"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" })
    await expect(files.openFile(at("directory"))).rejects.toMatchObject({ code: "FILE_WRONG_KIND" })
    await expect(files.listDirectory(at("file"))).rejects.toMatchObject({ code: "FILE_WRONG_KIND" })
    await expect(files.writeFileAtomic(at("none", "file"), bytes)).rejects.toMatchObject({
      code: "FILE_NOT_FOUND",
    })
    const tooLarge = files.readFile(at("file"), { maxBytes: 999 })
    await expect(tooLarge).rejects.toMatchObject({ code: "FILE_TOO_LARGE" })
  })

  it("refuses ranges outside the file and reads after closing", async () => {
    await files.writeFileAtomic(at("file"), bytes)
    const source = await files.openFile(at("file"))
    for (const [offset, length] of [
      [991, 10],
      [-1, 2],
      [0, -1],
      [Number.NaN, 1],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toMatchObject({ code: "FILE_TRUNCATED" })
    }
    await expect(source.read(0, 1, AbortSignal.abort())).rejects.toThrow(AbortError)
    await source.close()
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: "FILE_FAILED" })
  })
})

describe("files of node", () => {
  it("follows links and leaves dangling ones out", async () => {
    const folder = await mkdtemp(join(tmpdir(), "score-sde-files-"))
    await writeFile(join(folder, "blob"), bytes)
    await symlink("blob", join(folder, "link"))
    await symlink("nowhere", join(folder, "dangling"))
    expect((await node.listDirectory(folder)).map(entry => entry.name)).toEqual(["blob", "link"])
    expect(await node.readFile(join(folder, "link"))).toEqual(bytes)
    await rm(folder, { recursive: true })
  })
})

describe("files of a browser", () => {
  afterEach(() => void vi.unstubAllGlobals())

  it("reports a full quota", async () => {
    vi.stubGlobal("navigator", fakeNavigator(100))
    const write = browser.writeFileAtomic("file", bytes)
    await expect(write).rejects.toMatchObject({ code: "NO_SPACE" })
    expect(await browser.listDirectory("")).toEqual([])
  })

  it("refuses a path that leads out", async () => {
    vi.stubGlobal("navigator", fakeNavigator())
    await expect(browser.openFile("a/../../b")).rejects.toMatchObject({ code: "FILE_ACCESS_DENIED" })
  })
})
