// The page of examples/studio, built and driven as a visitor would. What it looked like is kept in out/studio.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Download, Page } from "playwright-core"
import { build, type PreviewServer, preview } from "vite"
import { afterAll, beforeAll, expect, test } from "vitest"
import { Image } from "../../src/image/image.ts"
import { type Chromium, startChromium } from "../browser/chromium.ts"
import { writeModel } from "../pipelines/tiny-model.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const configFile = join(root, "examples/studio/vite.config.ts")
const screenshots = join(root, "out/studio")

let folder: string
let server: PreviewServer
let browser: Chromium
let page: Page
const errors: Error[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-studio-"))
  await mkdir(screenshots, { recursive: true })
  const outDir = join(folder, "site")
  await build({ configFile, logLevel: "error", build: { outDir, emptyOutDir: true } })
  server = await preview({ configFile, build: { outDir }, preview: { port: 0, host: "127.0.0.1" } })
  browser = await startChromium()
  page = await browser.context.newPage()
  page.on("pageerror", error => errors.push(error))
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.goto(server.resolvedUrls!.local[0]!)
  await field("Device").selectOption("wasm")
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await server?.close()
  await rm(folder, { recursive: true, force: true })
})

interface TraceEvent {
  readonly name: string
  readonly pid: number
  readonly tid: number
  /** Processor time in µs. */
  readonly tdur?: number
  readonly args: { readonly name?: string }
}

/**
 * How long each task of the page's main thread kept the processor while `work` was done, in ms: what else the machine
 * is busy with doesn't count.
 */
async function taskTimes(work: () => Promise<void>): Promise<number[]> {
  const protocol = await browser.context.newCDPSession(page)
  const events: TraceEvent[] = []
  protocol.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  const complete = new Promise(resolve => protocol.once("Tracing.tracingComplete", resolve))
  await protocol.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "disabled-by-default-devtools.timeline"] },
  })
  await work()
  await protocol.send("Tracing.end")
  await complete
  await protocol.detach()
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
  return events
    .filter(
      ({ name, pid, tid }) => name === "RunTask" && mains.some(main => main.pid === pid && main.tid === tid),
    )
    .map(({ tdur = 0 }) => tdur / 1000)
}

const field = (label: string) => page.getByLabel(label, { exact: true })
const notice = () => page.locator(".notice")
const button = (name: string) => page.getByRole("button", { name, exact: true })

async function set(label: string, value: number): Promise<void> {
  await field(label).fill(String(value))
  await field(label).blur()
}

async function reachStep(reading: RegExp): Promise<void> {
  const step = page.locator(".reading dd").first()
  await expect.poll(() => step.textContent(), { timeout: 60_000 }).toMatch(reading)
}

/** Waits for the end of a run, and returns what the page says about it. */
async function outcome(): Promise<string> {
  await page.locator(".notice[data-kind]").waitFor({ timeout: 120_000 })
  return (await notice().textContent())!
}

async function finish(): Promise<void> {
  expect(await outcome()).toMatch(/^Done/)
}

/** What a button lets one download, by name. */
async function downloads(name: string, count: number): Promise<Map<string, Image>> {
  const found: Download[] = []
  page.on("download", download => found.push(download))
  await button(name).click()
  await expect.poll(() => found.length, { timeout: 60_000 }).toBe(count)
  page.removeAllListeners("download")
  const images = await Promise.all(
    found.map(async download => {
      const image = await Image.read(await readFile(await download.path()))
      return [download.suggestedFilename(), image.toChannels(3)] as const
    }),
  )
  return new Map(images)
}

/** Runs the code that the page shows, beside the models, `files` and our `folders`, and gives the pictures that it saves. */
async function runShownCode(
  names: Iterable<string>,
  files: ReadonlyMap<string, Image> = new Map(),
  folders: readonly string[] = [],
): Promise<Image[]> {
  const place = await mkdtemp(join(folder, "code-"))
  await symlink(join(root, "models"), join(place, "models"))
  for (const name of folders) await symlink(join(folder, name), join(place, name))
  for (const [name, image] of files) await image.save(join(place, name))
  const shown = await page.locator(".code pre").textContent()
  const library = JSON.stringify(pathToFileURL(join(root, "src/index.ts")).href)
  const program = join(place, "program.mjs")
  await writeFile(program, shown!.replace('"score-sde"', library))
  const before = process.cwd()
  process.chdir(place)
  try {
    await import(program)
  } finally {
    process.chdir(before)
  }
  return await Promise.all(Array.from(names, name => Image.read(join(place, name))))
}

/** At most two grey levels apart in 99.9 % of the values, as between any two devices. */
function expectAlike(pictures: Iterable<Image>, others: readonly Image[]): void {
  for (const [i, picture] of [...pictures].entries()) {
    const other = others[i]!.toChannels(3)
    const apart = picture.data.filter((value, j) => Math.abs(value - other.data[j]!) > 2).length
    expect(apart).toBeLessThanOrEqual(picture.data.length / 1000)
  }
}

test("samples; the page stays responsive, and the code that it shows makes the same pictures", async () => {
  await set("Steps", 8)
  await set("Pictures", 2)
  await page.screenshot({ path: join(screenshots, "blank.png") })
  const tasks = await taskTimes(async () => {
    await button("Sample").click()
    await finish()
  })
  expect(tasks.length).toBeGreaterThan(100)
  expect(tasks.filter(time => time > 100)).toEqual([])
  await page.screenshot({ path: join(screenshots, "sampled.png") })

  const pictures = await downloads("Download all", 2)
  expect([...pictures.keys()]).toEqual(["sample-7-1.png", "sample-7-2.png"])
  expectAlike(pictures.values(), await runShownCode(pictures.keys()))
})

test("goes back to an earlier step", async () => {
  const [finished] = (await downloads("Download PNG", 1)).values()
  await field("Step to look at").fill("0")
  const [early] = (await downloads("Download PNG", 1)).values()
  expect(early!.data).not.toEqual(finished!.data)
  await field("Step to look at").fill("7")
  const [again] = (await downloads("Download PNG", 1)).values()
  expect(again!.data).toEqual(finished!.data)
})

test("inpaints what is painted over, and nothing else", async () => {
  await page.keyboard.press("2")
  await set("Steps", 6)
  await set("Pictures", 1)
  expect(await notice().textContent()).toBe("Paint over what is to be made anew.")
  const box = (await page.getByRole("application").boundingBox())!
  await page.mouse.move(box.x + box.width * 0.1, box.y + box.height * 0.25)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.9, box.y + box.height * 0.25, { steps: 4 })
  await page.mouse.up()
  // The brush stands at row 8, column 28 now.
  for (const key of Array(12).fill("ArrowDown")) await page.keyboard.press(key)
  await page.keyboard.press("Space")
  for (const key of Array(12).fill("ArrowUp")) await page.keyboard.press(key)
  await page.keyboard.press("Shift+Space")
  await button("Inpaint").click()
  await finish()
  await page.screenshot({ path: join(screenshots, "inpainted.png") })

  const inputs = await downloads("Save picture and mask", 2)
  const [original, mask] = [inputs.get("picture.png")!, inputs.get("mask.png")!]
  const marked = (column: number, row: number) => mask.data[(row * 32 + column) * 3]
  expect([marked(16, 8), marked(28, 8), marked(28, 20)]).toEqual([255, 0, 255])
  const results = await downloads("Download all", 1)
  const [result] = results.values()
  const apart = (painted: boolean) =>
    mask.data.filter(
      (value, i) => (value === 255) === painted && Math.abs(original.data[i]! - result!.data[i]!) > 1,
    )
  expect(mask.data.filter(value => value === 255).length).toBeGreaterThan(300)
  expect(apart(false)).toHaveLength(0)
  expect(apart(true).length).toBeGreaterThan(300)
  expectAlike(results.values(), await runShownCode(results.keys(), inputs))
})

test("colorizes a picture that it is given", async () => {
  await page.keyboard.press("3")
  await set("Steps", 3)
  await button("Colorize").click()
  await finish()
  const inputs = await downloads("Save picture", 1)
  const results = await downloads("Download all", 1)
  expectAlike(results.values(), await runShownCode(results.keys(), inputs))
})

test("interpolates from one seed to another, with the keyboard alone", async () => {
  await page.keyboard.press("4")
  await set("Steps", 3)
  await set("Pictures", 3)
  await page.keyboard.press("Control+Enter")
  await finish()
  const results = await downloads("Download all", 3)
  expectAlike(results.values(), await runShownCode(results.keys()))
})

test("samples a model from a folder on WebGPU", async () => {
  const name = "tiny-model"
  const path = join(folder, name)
  await writeModel(path, { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
  await page.keyboard.press("1")
  await field("Model").selectOption("folder")
  await page.locator("#folder").setInputFiles(path)
  await field("Device").selectOption("webgpu")
  await field("Sampler").selectOption("own")
  await set("Steps", 2)
  await set("Pictures", 2)
  await button("Sample").click()
  await finish()
  const results = await downloads("Download all", 2)
  expectAlike(results.values(), await runShownCode(results.keys(), new Map(), [name]))
  await field("Model").selectOption("shipped")
  await field("Device").selectOption("wasm")
})

test("stops between two steps", async () => {
  await page.keyboard.press("1")
  await set("Steps", 2000)
  await page.keyboard.press("s")
  await reachStep(/^[1-9]\d*\/2000$/)
  await page.keyboard.press("Escape")
  await expect.poll(() => notice().textContent(), { timeout: 60_000 }).toBe("Stopped.")
  expect(await button("Sample").isEnabled()).toBe(true)
})

test("tells what went wrong, and the next step", async () => {
  await field("Model").selectOption("hub")
  await field("Hub id").fill("no model/at all")
  await field("Hub id").blur()
  await button("Sample").click()
  expect(await outcome()).toContain('An id has the form "owner/name"')
  await field("Model").selectOption("shipped")
})

test("fits a short screen: the strip and the buttons are in sight", async () => {
  await page.setViewportSize({ width: 1280, height: 680 })
  await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: join(screenshots, "short.png") })
  for (const place of [button("Sample"), page.locator(".test-strip-film")]) {
    const box = (await place.boundingBox())!
    expect(box.y + box.height).toBeLessThanOrEqual(680)
  }
})

test.each(["light", "dark"] as const)("fits a phone, %s", async colorScheme => {
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
  await page.setViewportSize({ width: 360, height: 780 })
  const width = () => page.evaluate(() => document.documentElement.scrollWidth)
  await expect.poll(width, { timeout: 60_000 }).toBe(360)
  await page.screenshot({ path: join(screenshots, `phone-${colorScheme}.png`), fullPage: true })
})

test("no error went uncaught", () => {
  expect(errors).toEqual([])
})
