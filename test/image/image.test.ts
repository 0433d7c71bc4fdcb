import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Image } from "../../src/image/image.ts"
import type { ImageChannels } from "../../src/image/pixels.ts"
import { anyImage, gradient, plain } from "./pictures.ts"

describe("an image", () => {
  it("holds a copy of its data", () => {
    const data = Uint8Array.of(1, 2, 3)
    const image = new Image({ width: 1, height: 1, channels: 3, data })
    data[0] = 99
    expect(image).toMatchObject({ width: 1, height: 1, channels: 3 })
    expect([...image.data]).toEqual([1, 2, 3])
  })

  it.each([
    [0, 1, 1, 0],
    [1, -1, 3, 3],
    [1.5, 2, 1, 3],
    [1, 1, 5, 5],
    [2, 2, 3, 11],
    [2, 2, 3, 13],
  ])("cannot be %d × %d × %d of %d bytes", (width, height, channels, length) => {
    const make = () =>
      new Image({ width, height, channels: channels as ImageChannels, data: new Uint8Array(length) })
    expect(make).toThrow(expect.objectContaining({ name: "ImageError", code: "INVALID_IMAGE" }))
  })

  it("has no canvas in Node, and says what to use", () => {
    expect(() => plain(1, 1, 0).toCanvas()).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_PLATFORM", hint: expect.stringContaining("toPng()") }),
    )
  })
})

describe("toChannels", () => {
  it("spreads grey and adds an opaque alpha", () => {
    expect([...plain(1, 1, 7).toChannels(3).data]).toEqual([7, 7, 7])
    expect([...plain(1, 1, 7).toChannels(4).data]).toEqual([7, 7, 7, 255])
    expect([...plain(1, 1, 7, 9).toChannels(4).data]).toEqual([7, 7, 7, 9])
    expect([...plain(1, 1, 1, 2, 3).toChannels(4).data]).toEqual([1, 2, 3, 255])
  })

  it("drops alpha, and makes grey as PIL does", () => {
    expect([...plain(1, 1, 1, 2, 3, 4).toChannels(3).data]).toEqual([1, 2, 3])
    // Image.new("RGB", (1, 1), pixel).convert("L")
    for (const [pixel, grey] of [
      [[255, 0, 0], 76],
      [[0, 255, 0], 150],
      [[0, 0, 255], 29],
      [[255, 255, 255], 255],
      [[10, 200, 30], 124],
    ] as const) {
      expect([...plain(1, 1, ...pixel).toChannels(1).data]).toEqual([grey])
      expect([...plain(1, 1, ...pixel, 5).toChannels(2).data]).toEqual([grey, 5])
    }
  })

  it("comes back from more channels", () => {
    fc.assert(
      fc.property(anyImage, fc.constantFrom<ImageChannels>(2, 3, 4), (image, channels) => {
        fc.pre(channels > image.channels && (image.channels !== 2 || channels === 4))
        expect(image.toChannels(channels).toChannels(image.channels)).toEqual(image)
      }),
    )
  })

  it("gives the image itself when nothing changes", () => {
    const image = gradient(3, 2, 3)
    expect(image.toChannels(3)).toBe(image)
  })

  it("refuses other numbers", () => {
    expect(() => plain(1, 1, 1).toChannels(5 as 4)).toThrow(
      expect.objectContaining({ code: "INVALID_IMAGE" }),
    )
  })
})
