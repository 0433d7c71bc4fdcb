import { createHash } from "node:crypto"
import { crc32, deflateSync } from "node:zlib"
import fc from "fast-check"
import sharp from "sharp"
import { describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import { anyImage, gradient, rowsOf } from "./pictures.ts"

/** A chunk of a PNG file. */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const ends = Buffer.alloc(8)
  ends.writeUInt32BE(data.length, 0)
  ends.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
}

interface Raw {
  width: number
  height: number
  depth: number
  colourType: number
  interlace?: number
  /** Scanlines with their filter bytes. */
  lines: Uint8Array
  extra?: Buffer[]
}

function pngOf({ width, height, depth, colourType, interlace = 0, lines, extra = [] }: Raw): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colourType, 0, 0, interlace], 8)
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...extra,
    chunk("IDAT", deflateSync(lines)),
    chunk("IEND", new Uint8Array()),
  ])
}

const corrupt = expect.objectContaining({ name: "ImageError", code: "CORRUPT_IMAGE" })

describe("toPng", () => {
  it("is read by another decoder as the same pixels and channels", async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, async image => {
        const { width, height, channels } = await sharp(await image.toPng()).metadata()
        expect({ width, height, channels }).toEqual({ ...image, data: undefined })
        // Sharp decodes to RGB.
        const { data } = image.channels <= 2 ? image.toChannels(channels === 1 ? 3 : 4) : image
        expect([
          ...(await sharp(await image.toPng())
            .raw()
            .toBuffer()),
        ]).toEqual([...data])
      }),
      { numRuns: 40 },
    )
  })

  it("writes 1 channel as grey and 4 as RGBA", async () => {
    const pictures = ([1, 2, 3, 4] as const).map(channels => gradient(2, 2, channels))
    const colourTypes = (await Promise.all(pictures.map(picture => picture.toPng()))).map(png => png[25])
    expect(colourTypes).toEqual([0, 4, 2, 6])
  })

  it("gives the same bytes everywhere", async () => {
    const png = await gradient(37, 23, 3).toPng()
    expect(createHash("sha256").update(png).digest("hex")).toBe(
      "0be20998cc18cd45ea4f3ddf2f12ffc61e99b32d2ad5cf7326eaf4c88cc822c1",
    )
  })
})

describe("reading PNG", () => {
  it("gives back what was written", async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, async image => {
        expect(await Image.read(await image.toPng())).toEqual(image)
      }),
    )
  })

  it.each([
    ["adaptive filters", { adaptiveFiltering: true }],
    ["interlacing", { progressive: true }],
  ])("understands %s", async (_, options) => {
    await fc.assert(
      fc.asyncProperty(anyImage, async image => {
        const { width, height, channels, data } = image
        const png = await sharp(data, { raw: { width, height, channels } })
          .toColourspace(channels <= 2 ? "b-w" : "srgb")
          .png(options)
          .toBuffer()
        expect(await Image.read(png)).toEqual(image)
      }),
      { numRuns: 40 },
    )
  })

  it("understands palettes, with and without transparency", async () => {
    const palette = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255])
    const raw = { width: 3, height: 1, depth: 2, colourType: 3, lines: Uint8Array.of(0, 0b00_01_10_00) }
    const opaque = await Image.read(pngOf({ ...raw, extra: [chunk("PLTE", palette)] }))
    expect(rowsOf(opaque)).toEqual([
      [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
      ],
    ])
    const extra = [chunk("PLTE", palette), chunk("tRNS", Uint8Array.of(10, 20))]
    const clear = await Image.read(pngOf({ ...raw, extra }))
    expect(rowsOf(clear)).toEqual([
      [
        [255, 0, 0, 10],
        [0, 255, 0, 20],
        [0, 0, 255, 255],
      ],
    ])
  })

  it("spreads grey of few bits over 0 to 255", async () => {
    const read = async (depth: number, width: number, ...bytes: number[]) => {
      const lines = Uint8Array.from(bytes)
      return [...(await Image.read(pngOf({ width, height: 2, depth, colourType: 0, lines }))).data]
    }
    expect(await read(1, 3, 0, 0b10100000, 0, 0b01000000)).toEqual([255, 0, 255, 0, 255, 0])
    expect(await read(2, 3, 0, 0b00011000, 0, 0b11000000)).toEqual([0, 85, 170, 255, 0, 0])
    expect(await read(4, 3, 0, 0x01, 0xf0, 0, 0x80, 0x20)).toEqual([0, 17, 255, 136, 0, 34])
  })

  it("rounds 16 bits to 8", async () => {
    const lines = Uint8Array.from([0, 0x00, 0x80, 0x00, 0x81, 0xff, 0x7f])
    const image = await Image.read(pngOf({ width: 3, height: 1, depth: 16, colourType: 0, lines }))
    expect([...image.data]).toEqual([0, 1, 255])
  })

  it("turns the one transparent colour into alpha", async () => {
    const grey = { width: 2, height: 1, depth: 8, colourType: 0, lines: Uint8Array.of(0, 7, 8) }
    const greyImage = await Image.read(pngOf({ ...grey, extra: [chunk("tRNS", Uint8Array.of(0, 8))] }))
    expect(rowsOf(greyImage)).toEqual([
      [
        [7, 255],
        [8, 0],
      ],
    ])
    const rgb = { width: 2, height: 1, depth: 8, colourType: 2, lines: Uint8Array.of(0, 1, 2, 3, 1, 2, 4) }
    const extra = [chunk("tRNS", Uint8Array.of(0, 1, 0, 2, 0, 3))]
    expect(rowsOf(await Image.read(pngOf({ ...rgb, extra })))).toEqual([
      [
        [1, 2, 3, 0],
        [1, 2, 4, 255],
      ],
    ])
  })

  it("takes the palette that an RGB file suggests for no palette", async () => {
    const extra = [chunk("PLTE", Uint8Array.of(9, 9, 9)), chunk("tEXt", Buffer.from("Comment\0hello"))]
    const lines = Uint8Array.of(0, 1, 2, 3)
    const image = await Image.read(pngOf({ width: 1, height: 1, depth: 8, colourType: 2, lines, extra }))
    expect([...image.data]).toEqual([1, 2, 3])
  })

  it("refuses interlacing with fewer than 8 bits", async () => {
    const raw = { width: 1, height: 1, depth: 1, colourType: 0, interlace: 1, lines: new Uint8Array(2) }
    await expect(Image.read(pngOf(raw))).rejects.toMatchObject({ code: "UNSUPPORTED_FORMAT" })
  })
})

describe("a hostile PNG", () => {
  it("is refused when it inflates to more than its size, without keeping that", async () => {
    const lines = new Uint8Array(2 ** 26)
    const bomb = pngOf({ width: 4, height: 4, depth: 8, colourType: 0, lines })
    const before = process.memoryUsage()
    await expect(Image.read(bomb)).rejects.toEqual(corrupt)
    const after = process.memoryUsage()
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(2 ** 25)
  })

  it("does no harm with chunks that do not matter for its pixels", async () => {
    const profile = Buffer.concat([Buffer.from("x\0\0"), deflateSync(new Uint8Array(2 ** 24))])
    const lines = Uint8Array.of(0, 5)
    const png = pngOf({
      width: 1,
      height: 1,
      depth: 8,
      colourType: 0,
      lines,
      extra: [chunk("iCCP", profile)],
    })
    expect([...(await Image.read(png)).data]).toEqual([5])
  })

  it.each([
    ["fewer", new Uint8Array(19)],
    ["more", new Uint8Array(21)],
  ])("is refused with %s bytes than its size needs", async (_, lines) => {
    const png = pngOf({ width: 4, height: 4, depth: 8, colourType: 0, lines })
    await expect(Image.read(png)).rejects.toEqual(corrupt)
  })

  it("is refused with pixels beyond the limit, before it is inflated", async () => {
    const png = pngOf({
      width: 2 ** 31 - 1,
      height: 2 ** 31 - 1,
      depth: 16,
      colourType: 6,
      lines: new Uint8Array(),
    })
    await expect(Image.read(png)).rejects.toMatchObject({ code: "TOO_LARGE" })
    await expect(Image.read(await gradient(9, 9, 1).toPng(), { maxPixels: 80 })).rejects.toMatchObject({
      code: "TOO_LARGE",
    })
    expect((await Image.read(await gradient(9, 9, 1).toPng(), { maxPixels: 81 })).width).toBe(9)
  })

  it.each<[string, Partial<Raw>]>([
    ["an unknown filter", { lines: new Uint8Array(20).fill(9) }],
    ["no width", { width: 0 }],
    ["an unknown colour type", { colourType: 5 }],
    ["an unknown depth", { depth: 3 }],
    ["indices but no palette", { colourType: 3 }],
    [
      "indices beyond its palette",
      {
        colourType: 3,
        lines: Buffer.from("09090909".repeat(5), "hex"),
        extra: [chunk("PLTE", Buffer.alloc(3))],
      },
    ],
    ["an empty palette", { colourType: 3, extra: [chunk("PLTE", Buffer.alloc(0))] }],
    ["half a transparent colour", { extra: [chunk("tRNS", Buffer.alloc(1))] }],
  ])("is refused with %s", async (_, wrong) => {
    const png = pngOf({ width: 4, height: 4, depth: 8, colourType: 0, lines: new Uint8Array(20), ...wrong })
    await expect(Image.read(png)).rejects.toEqual(corrupt)
  })

  it("never does anything but decode or fail with an ImageError, whatever is broken in it", async () => {
    const png = Buffer.from(await gradient(11, 7, 3).toPng())
    const change = fc.record({ at: fc.nat(png.length - 1), to: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.nat(png.length),
        async (changes, length) => {
          const broken = Buffer.from(png)
          for (const { at, to } of changes) broken[at] = to
          for (const bytes of [broken, broken.subarray(0, length)]) {
            const result = await Image.read(bytes).catch((error: unknown) => error)
            expect(["Image", "ImageError"]).toContain((result as object).constructor.name)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it("is noticed by its checksum", async () => {
    const png = await gradient(11, 7, 3).toPng()
    png[png.length - 17]! ^= 1
    await expect(Image.read(png)).rejects.toEqual(corrupt)
  })
})
