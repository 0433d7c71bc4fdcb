import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { denoisingStrip } from "../../src/image/denoising-strip.ts"
import { makeGrid } from "../../src/image/grid.ts"
import type { Image } from "../../src/image/image.ts"
import { plain, rowsOf } from "./pictures.ts"

/** One picture of one grey pixel for each level. */
const dots = (...levels: number[]): Image[] => levels.map(level => plain(1, 1, level))
/** The grey levels of a picture, row by row. */
const levels = (image: Image): number[][] => rowsOf(image).map(row => row.flat())

describe("makeGrid", () => {
  it("lays pictures out row by row", () => {
    expect(levels(makeGrid(dots(1, 2, 3, 4, 5, 6), { columns: 3, padding: 0 }))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
  })

  it("puts the background between them, around them and into empty places", () => {
    expect(levels(makeGrid(dots(1, 2, 3), { columns: 2, padding: 1, background: 9 }))).toEqual([
      [9, 9, 9, 9, 9],
      [9, 1, 9, 2, 9],
      [9, 9, 9, 9, 9],
      [9, 3, 9, 9, 9],
      [9, 9, 9, 9, 9],
    ])
  })

  it("is square, with white lines of 2 pixels, by default", () => {
    const grid = makeGrid(Array.from({ length: 16 }, () => plain(32, 32, 1, 2, 3)))
    expect([grid.width, grid.height, grid.channels]).toEqual([138, 138, 3])
    expect([...grid.data.subarray(0, 3)]).toEqual([255, 255, 255])
    expect(makeGrid(dots(1, 2, 3)).width).toBe(8)
  })

  it("shows every picture at its place", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        fc.record({ columns: fc.integer({ min: 1, max: 5 }), padding: fc.nat(3) }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        (pixels, { columns, padding }, width, height) => {
          const images = pixels.map(pixel => plain(width, height, ...pixel))
          const rows = rowsOf(makeGrid(images, { columns, padding }))
          for (const [n, pixel] of pixels.entries()) {
            const top = padding + Math.floor(n / columns) * (height + padding)
            const left = padding + (n % columns) * (width + padding)
            expect(rows[top]?.[left]).toEqual(pixel)
            expect(rows[top + height - 1]?.[left + width - 1]).toEqual(pixel)
          }
        },
      ),
    )
  })

  it("has the channels that all its pictures fit into, and may have a coloured background", () => {
    const grid = makeGrid([plain(1, 1, 5), plain(1, 1, 1, 2, 3)], { columns: 2, padding: 0 })
    expect(rowsOf(grid)).toEqual([
      [
        [5, 5, 5],
        [1, 2, 3],
      ],
    ])
    expect(makeGrid([plain(1, 1, 5, 6), plain(1, 1, 1, 2, 3)]).channels).toBe(4)
    const red = makeGrid([plain(1, 1, 0, 0, 0)], { padding: 1, background: [255, 0, 0] })
    expect([...red.data.subarray(0, 3)]).toEqual([255, 0, 0])
    const opaque = makeGrid([plain(1, 1, 0, 0, 0, 0)], { padding: 1, background: 7 })
    expect([...opaque.data.subarray(0, 4)]).toEqual([7, 7, 7, 255])
  })

  it("refuses no pictures and pictures of different sizes", () => {
    expect(() => makeGrid([])).toThrow(expect.objectContaining({ code: "INVALID_IMAGE" }))
    expect(() => makeGrid([plain(1, 1, 0), plain(1, 2, 0)])).toThrow(
      expect.objectContaining({
        code: "INVALID_IMAGE",
        message: expect.stringContaining("Picture 1 has 1 × 2"),
      }),
    )
  })

  it.each([
    { columns: 0 },
    { columns: 1.5 },
    { padding: -1 },
    { background: 256 },
    { background: [1, 2] },
    { background: [] },
  ])("refuses %j", options => {
    expect(() => makeGrid(dots(1), options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }))
  })
})

describe("denoisingStrip", () => {
  it("shows a row for each sample", () => {
    const frames = [dots(1, 2), dots(3, 4), dots(5, 6)]
    expect(levels(denoisingStrip(frames, { padding: 0 }))).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ])
  })

  it("shows one row for single pictures", () => {
    expect(levels(denoisingStrip(dots(1, 2, 3), { padding: 0 }))).toEqual([[1, 2, 3]])
  })

  it("picks frames evenly, from the first to the last", () => {
    const frames = dots(...Array.from({ length: 11 }, (_, i) => i))
    const shown = (count: number) => levels(denoisingStrip(frames, { padding: 0, count }))[0]
    expect(shown(3)).toEqual([0, 5, 10])
    expect(shown(6)).toEqual([0, 2, 4, 6, 8, 10])
    expect(shown(1)).toEqual([10])
    expect(shown(99)).toHaveLength(11)
  })

  it("refuses nothing to show, and batches that change their size", () => {
    expect(() => denoisingStrip([])).toThrow(expect.objectContaining({ code: "INVALID_IMAGE" }))
    expect(() => denoisingStrip([dots(1, 2), dots(3)])).toThrow(
      expect.objectContaining({ code: "INVALID_IMAGE" }),
    )
    expect(() => denoisingStrip(dots(1, 2), { count: 0 })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    )
  })
})
