// The steps of a sampler whose state stays on the GPU, in a real Chromium: the numbers of those in JavaScript.
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage, type ProgramPage } from "./open-page.ts"
import type { Compared } from "./pages/device-state.ts"
import { type Site, startSite } from "./site.ts"

let browser: Chromium
let site: Site
let page: ProgramPage<typeof import("./pages/device-state.ts")>
beforeAll(async () => {
  site = await startSite()
  browser = await startChromium()
  page = await openPage(browser.context, site, "device-state")
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

function largestError({ found, expected }: Compared): number {
  expect(found).toHaveLength(expected.length)
  return Math.max(
    ...found.map((value, i) => Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!))),
  )
}

test.each([
  ["0", 0, 0],
  ["18446744073709551615", 2 ** 32 - 1, 5],
  ["81985529216486895", 2 ** 40 + 3, 2 ** 31],
])("draws of seed %s, sample %i, draw %i are those of a PhiloxGenerator", async (seed, sample, draw) => {
  expect(largestError(await page.call("draws", seed, sample, draw))).toBeLessThan(2e-6)
})

test("a draw for many pictures", async () => {
  expect(await page.call("errorOfLargeDraw")).toBeLessThan(1e-4)
})

test("what the device refuses is an error, and leaves the next work alone", async () => {
  expect(await page.call("refusals")).toEqual(["OUT_OF_MEMORY", "RUN_FAILED"])
  expect(largestError(await page.call("draws", "0", 0, 0))).toBeLessThan(2e-6)
})

test("a corrector's step, and its standstill where the score is zero", async () => {
  expect(largestError(await page.call("corrections"))).toBeLessThan(1e-5)
})

test.each(["ve", "ddpm"] as const)("steps as sums, one after the other: %s", async of => {
  expect(largestError(await page.call("steps", of))).toBeLessThan(1e-5)
})

test("a stream of PyTorch's numbers goes on where a generator stands, bit for bit", async () => {
  const { found, expected } = await page.call("torchDraws", 7)
  expect(found).toEqual(expected)
})
