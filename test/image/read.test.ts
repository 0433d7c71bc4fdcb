import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import { gradient, plain } from "./pictures.ts"

const image = gradient(20, 10, 3)
const png = await image.toPng()
const raw = { width: 20, height: 10, channels: 3 } as const
let folder: string
let server: Server
let address: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-image-"))
  server = createServer((request, response) => {
    if (request.url === "/picture.png") response.end(png)
    else if (request.url === "/endless") {
      const send = () =>
        response.write(new Uint8Array(2 ** 16), () => response.destroyed || setImmediate(send))
      send()
    } else if (request.url !== "/silent") response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

describe("Image.read", () => {
  it("takes a path, a file URL, a web address, a data URL and bytes in any wrapping", async () => {
    const path = join(folder, "picture.png")
    await writeFile(path, png)
    const sources = [
      path,
      pathToFileURL(path),
      pathToFileURL(path).href,
      `${address}/picture.png`,
      new URL(`${address}/picture.png`),
      `data:image/png;base64,${Buffer.from(png).toString("base64")}`,
      png,
      Buffer.concat([Buffer.of(1, 2, 3), png]).subarray(3),
      png.buffer,
      new Blob([png]),
    ]
    for (const source of sources) expect(await Image.read(source)).toEqual(image)
  })

  it("converts to the channels that are asked for", async () => {
    expect(await Image.read(png, { channels: 4 })).toEqual(image.toChannels(4))
    expect(await Image.read(await plain(2, 2, 5).toPng(), { channels: 3 })).toEqual(plain(2, 2, 5, 5, 5))
  })

  it("reads JPEG and WebP as sharp decodes them", async () => {
    for (const type of ["jpeg", "webp"] as const) {
      const bytes = await sharp(image.data, { raw }).toFormat(type).toBuffer()
      const want = await sharp(bytes).raw().toBuffer()
      expect(await Image.read(bytes)).toEqual(new Image({ ...raw, data: want }))
    }
    const lossless = await sharp(gradient(9, 9, 4).data, { raw: { width: 9, height: 9, channels: 4 } })
      .webp({ lossless: true, exact: true })
      .toBuffer()
    expect(await Image.read(lossless)).toEqual(gradient(9, 9, 4))
  })

  it("keeps a grey JPEG grey and turns CMYK into RGB", async () => {
    const grey = await sharp(plain(8, 8, 100).data, { raw: { width: 8, height: 8, channels: 1 } })
      .toColourspace("b-w")
      .jpeg()
      .toBuffer()
    expect(await Image.read(grey)).toEqual(plain(8, 8, 100))
    const cmyk = await sharp(plain(8, 8, 255, 255, 255).data, { raw: { width: 8, height: 8, channels: 3 } })
      .toColourspace("cmyk")
      .jpeg()
      .toBuffer()
    expect((await Image.read(cmyk)).channels).toBe(3)
  })

  it("turns a photograph upright", async () => {
    const bytes = await sharp(image.data, { raw })
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100 })
      .toBuffer()
    const upright = await Image.read(bytes)
    expect([upright.width, upright.height]).toEqual([10, 20])
    // The dark left edge is on top after a quarter turn.
    expect(upright.data[0]).toBeLessThan(30)
    expect(upright.data.at(-3)).toBeGreaterThan(200)
  })

  it.each([
    ["nothing", new Uint8Array()],
    ["text", new TextEncoder().encode("hello, this is no picture")],
    ["a GIF", Buffer.from("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==", "base64")],
    ["an SVG", new TextEncoder().encode(`<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`)],
  ])("refuses %s", async (_, bytes) => {
    await expect(Image.read(bytes)).rejects.toMatchObject({ name: "ImageError", code: "UNSUPPORTED_FORMAT" })
  })

  it.each(["jpeg", "webp"] as const)("refuses a %s file that is cut short or too large", async type => {
    const bytes = await sharp(image.data, { raw }).toFormat(type).toBuffer()
    await expect(Image.read(bytes.subarray(0, bytes.length - 60))).rejects.toMatchObject({
      code: "CORRUPT_IMAGE",
    })
    await expect(Image.read(bytes, { maxPixels: 199 })).rejects.toMatchObject({ code: "TOO_LARGE" })
  })

  it("reads no more bytes than allowed", async () => {
    const path = join(folder, "large.png")
    await writeFile(path, png)
    const limit = { maxBytes: png.length - 1 }
    for (const source of [png, new Blob([png]), `${address}/picture.png`, `${address}/endless`]) {
      await expect(Image.read(source, limit)).rejects.toMatchObject({ code: "TOO_LARGE" })
    }
    await expect(Image.read(path, limit)).rejects.toMatchObject({ code: "FILE_TOO_LARGE" })
  })

  it("says what went wrong on the way", async () => {
    await expect(Image.read(join(folder, "absent.png"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" })
    await expect(Image.read(folder)).rejects.toMatchObject({ code: "FILE_WRONG_KIND" })
    await expect(Image.read(`${address}/absent.png`)).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
    await expect(Image.read("http://127.0.0.1:1/x.png")).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
    await expect(Image.read("http://")).rejects.toMatchObject({ code: "DOWNLOAD_FAILED" })
  })

  it("stops when it is told to", async () => {
    await expect(Image.read(png, { signal: AbortSignal.abort("enough") })).rejects.toMatchObject({
      code: "ABORTED",
      cause: "enough",
    })
    const controller = new AbortController()
    const reading = Image.read(`${address}/silent`, { signal: controller.signal })
    setTimeout(() => controller.abort("late"), 20)
    await expect(reading).rejects.toMatchObject({ code: "ABORTED", cause: "late" })
  })
})
