// Sessions in a real Chromium.
import { afterAll, beforeAll, expect, test } from "vitest"
import { denoiserOutput } from "../runtime/onnx-model.ts"
import { type Chromium, startChromium } from "./chromium.ts"
import { openPage } from "./open-page.ts"
import { type Site, startSite } from "./site.ts"

type Program = typeof import("./pages/runtime.ts")

let browser: Chromium
let site: Site
beforeAll(async () => {
  site = await startSite()
  browser = await startChromium()
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

test.each(["wasm", "webgpu"] as const)("%s computes what the formula says", async device => {
  await using page = await openPage<Program>(browser.context, site, "runtime")
  const { device: found, values } = await page.call("denoise", { device })
  expect(found).toBe(device)
  const expected = denoiserOutput()
  expect(Math.max(...values.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5)
})
