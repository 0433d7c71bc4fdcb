import { describe, expect, it } from "vitest"
import { countOf, formatBytes, formatCount, formatRate, formatSeconds } from "../../src/cli/format.ts"

describe("numbers for people", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [99_949, "99.9 kB"],
    [99_951, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [423_143_584, "423 MB"],
    [2.5e15, "2500 TB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it.each([
    [0, "0"],
    [9999, "9999"],
    [10_000, "10.0 k"],
    [1_268_777, "1.27 M"],
    [105_785_896, "106 M"],
    [1.5e9, "1.50 G"],
  ])("%d parameters are %s", (count, text) => {
    expect(formatCount(count)).toBe(text)
  })

  it.each([
    [0, "0.0 s"],
    [4.21, "4.2 s"],
    [9.96, "10 s"],
    [59.4, "59 s"],
    [59.6, "1:00"],
    [185, "3:05"],
    [7200, "2:00:00"],
    [36_061, "10:01:01"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })

  it("tells slow rates by their inverse", () => {
    expect(formatRate(12.34, "step")).toBe("12.3 steps/s")
    expect(formatRate(250, "step")).toBe("250 steps/s")
    expect(formatRate(0.25, "step")).toBe("4.00 s/step")
  })

  it("counts in the plural but for one", () => {
    expect([0, 1, 2].map(count => countOf(count, "picture"))).toEqual([
      "0 pictures",
      "1 picture",
      "2 pictures",
    ])
  })
})
