import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import sharp from "sharp"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import type { ImageType } from "../../src/image/pixels.ts"
import { gradient, plain } from "./pictures.ts"

const image = gradient(40, 30, 3)
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-image-"))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe("save", () => {
  it("writes PNG with the bytes of toPng, over what was there and into folders that were not", async () => {
    const path = join(folder, "a/b/picture.PNG")
    for (const picture of [image, gradient(3, 3, 1)]) {
      await picture.save(path)
      expect(new Uint8Array(await readFile(path))).toEqual(await picture.toPng())
    }
    expect(await readdir(join(folder, "a/b"))).toEqual(["picture.PNG"])
  })

  it.each(["jpg", "jpeg", "webp"])("writes .%s, smaller with less quality", async extension => {
    const [fine, coarse] = [join(folder, `fine.${extension}`), join(folder, `coarse.${extension}`)]
    await image.save(fine)
    await image.save(coarse, { quality: 10 })
    const { format, width, height, channels } = await sharp(fine).metadata()
    expect({ format, width, height, channels }).toEqual({
      format: extension === "webp" ? "webp" : "jpeg",
      width: 40,
      height: 30,
      channels: 3,
    })
    expect((await readFile(coarse)).length).toBeLessThan((await readFile(fine)).length)
    const back = await Image.read(fine)
    const error =
      image.data.reduce((sum, value, i) => sum + Math.abs(value - back.data[i]!), 0) / image.data.length
    expect(error).toBeLessThan(4)
  })

  it("writes grey JPEG from one channel and lays transparent pixels on white", async () => {
    await plain(8, 8, 90).save(join(folder, "grey.jpg"))
    expect((await sharp(join(folder, "grey.jpg")).metadata()).channels).toBe(1)
    await plain(8, 8, 0, 0, 0, 0).save(join(folder, "clear.jpg"))
    expect(await Image.read(join(folder, "clear.jpg"))).toEqual(plain(8, 8, 255, 255, 255))
    await plain(8, 8, 60, 255).save(join(folder, "alpha.jpg"))
    expect((await Image.read(join(folder, "alpha.jpg"), { channels: 1 })).data[0]).toBe(60)
  })

  it.each(["picture", "picture.gif", "a.png/picture", ".png", ""])("refuses the name %j", async name => {
    const saving = image.save(join(folder, name))
    if (name === ".png") await saving
    else await expect(saving).rejects.toMatchObject({ name: "ImageError", code: "UNSUPPORTED_FORMAT" })
  })

  it("leaves nothing behind when it fails", async () => {
    await writeFile(join(folder, "file"), "")
    await expect(image.save(join(folder, "file/picture.png"))).rejects.toMatchObject({ name: "FileError" })
    await expect(image.save(join(folder, "picture.jpg"), { quality: 0 })).rejects.toMatchObject({
      name: "InputError",
      code: "INVALID_ARGUMENT",
    })
    expect(await readdir(folder)).toEqual(["file"])
  })
})

describe("toBlob", () => {
  it.each<[ImageType, string]>([
    ["image/png", "png"],
    ["image/jpeg", "jpeg"],
    ["image/webp", "webp"],
  ])("gives a file of type %s", async (type, format) => {
    const blob = await image.toBlob(type)
    expect(blob.type).toBe(type)
    expect((await sharp(await blob.arrayBuffer()).metadata()).format).toBe(format)
  })

  it("gives PNG by default", async () => {
    expect(new Uint8Array(await (await image.toBlob()).arrayBuffer())).toEqual(await image.toPng())
  })
})
