// The page of examples/studio, built and driven as a visitor would. What it looked like is kept in out/studio.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Download, Page } from "playwright-core"
import { build, type PreviewServer, preview } from "vite"
import { afterAll, beforeAll, expect, test } from "vitest"
import { Image } from "../../src/image/image.ts"
import { type Chromium, startChromium } from "../browser/chromium.ts"
import { startHubServer } from "../hub-server/hub-server.ts"
import { flatModelFiles, formulaSafetensors, writeModel } from "../pipelines/tiny-model.ts"
import { hubPages, routeHub } from "./hub-route.ts"
import { runProgram } from "./run-program.ts"
import { taskTimes } from "./task-times.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const configFile = join(root, "examples/studio/vite.config.ts")
const screenshots = join(root, "out/studio")

let folder: string
let server: PreviewServer
let browser: Chromium
let page: Page
const errors: Error[] = []
// What a machine that does other work besides takes at most for what a page does at once.
const slow = { timeout: 20_000 }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "score-sde-studio-"))
  await mkdir(screenshots, { recursive: true })
  const outDir = join(folder, "site")
  await build({ configFile, logLevel: "error", build: { outDir, emptyOutDir: true } })
  server = await preview({ configFile, build: { outDir }, preview: { port: 0, host: "127.0.0.1" } })
  browser = await startChromium()
  page = await browser.context.newPage()
  page.on("pageerror", error => errors.push(error))
  // The page's worker, to listen in on.
  await page.addInitScript(() => {
    const { Worker } = globalThis
    globalThis.Worker = class extends Worker {
      constructor(...options: ConstructorParameters<typeof Worker>) {
        super(...options)
        Object.assign(globalThis, { engine: this })
      }
    }
  })
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.goto(server.resolvedUrls!.local[0]!)
  await field("Device").selectOption("wasm")
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await server?.close()
  await rm(folder, { recursive: true, force: true })
})

const field = (label: string) => page.getByLabel(label, { exact: true })
const notice = () => page.locator(".notice")
const button = (name: string) => page.getByRole("button", { name, exact: true })

async function set(label: string, value: number): Promise<void> {
  await field(label).fill(String(value))
  await field(label).blur()
}

/** What has the focus, by its name. */
async function focused(): Promise<string> {
  return await page.evaluate(() => {
    const element = document.activeElement as HTMLInputElement
    const label = element.labels?.[0]?.querySelector("span")?.firstChild ?? element.labels?.[0]
    return (element.ariaLabel ?? label?.textContent ?? element.textContent ?? "").trim()
  })
}

/** Writes a tiny model and chooses its folder. */
async function chooseFolder(pipeline: Parameters<typeof writeModel>[1]): Promise<void> {
  const path = join(folder, "tiny-model")
  await writeModel(path, pipeline)
  await field("Model").selectOption("folder")
  await page.locator("#folder").setInputFiles(path)
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
  await runProgram((await page.locator(".code pre").textContent())!, place)
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
  const tasks = await taskTimes(page, async () => {
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

test("brings the picture into the size of a model that is chosen after it", async () => {
  const [shipped] = (await downloads("Save picture", 1)).values()
  await chooseFolder({ className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
  await set("Steps", 25)
  await button("Colorize").click()
  await finish()
  const [fitted] = (await downloads("Save picture", 1)).values()
  expect([shipped!.width, fitted!.width, fitted!.height]).toEqual([32, 8, 8])
  await field("Model").selectOption("shipped")
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

test("goes from control to control with Tab, and keeps the focus through a run", async () => {
  await page.keyboard.press("1")
  await set("Steps", 2)
  await set("Pictures", 2)
  await button("Sample").click()
  await finish()
  await expect.poll(() => page.getByRole("status").textContent(), slow).toBe("Done.")
  await page.evaluate(() => (document.activeElement as HTMLElement).blur())
  await page.getByRole("heading", { level: 1 }).click()
  const order: string[] = []
  for (let i = 0; i < 20 && order.at(-1) !== "Copy"; i++) {
    await page.keyboard.press("Tab")
    order.push(await focused())
  }
  expect(order).toEqual([
    expect.stringMatching("Darkroom|Light table"),
    "Keys",
    "Sample",
    "Model",
    "Device",
    "Sampler",
    "Steps",
    "Pictures",
    "Seed",
    "Another seed",
    "Sample",
    "Stop",
    expect.stringMatching("^Picture 1 seed 7·0"),
    "Sample",
    "Download PNG",
    "Download all",
    "Step to look at",
    "Copy",
  ])

  // One stop for a group: arrows move inside.
  await page.getByRole("button", { name: "Picture 1" }).focus()
  await page.keyboard.press("End")
  expect(await focused()).toMatch(/^Picture 2 /)
  await page.getByRole("radio", { name: "Sample" }).first().focus()
  await page.keyboard.press("ArrowDown")
  expect(await focused()).toBe("Inpaint")
  await page.keyboard.press("ArrowUp")

  // What a run disables gives the focus to the button that stops it, and has it back afterwards.
  await set("Steps", 2000)
  await field("Steps").focus()
  await page.keyboard.press("Control+Enter")
  await expect.poll(focused).toBe("Stop")
  await page.keyboard.press("Enter")
  expect(await outcome()).toBe("Stopped.")
  await expect.poll(focused).toBe("Steps")
  await button("Keys").focus()
  await page.keyboard.press("Enter")
  expect(await page.getByRole("dialog").isVisible()).toBe(true)
  await page.keyboard.press("Escape")
  expect(await page.getByRole("dialog").isVisible()).toBe(false)
  expect(await focused()).toBe("Keys")
})

test("tells the way and the evaluations of a sampler that finds its own steps, and no time left", async () => {
  await page.locator("#sampler").selectOption("ode")
  await button("Sample").click()
  await reachStep(/^[1-9]\d* %$/)
  expect(await page.locator(".reading dt").allTextContents()).toEqual([
    "Way",
    "Evaluations",
    "a second",
    "Noise",
  ])
  await page.keyboard.press("Escape")
  expect(await outcome()).toBe("Stopped.")
})

test("stays responsive and small through two thousand steps of a model from a folder", async () => {
  await chooseFolder({ className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
  await field("Sampler").selectOption("own")
  await set("Pictures", 2)
  const sample = async (steps: number) => {
    await set("Steps", steps)
    await button("Sample").click()
    await finish()
  }
  const size = async () => {
    const protocol = await browser.context.newCDPSession(page)
    await protocol.send("HeapProfiler.collectGarbage")
    const { usedSize } = await protocol.send("Runtime.getHeapUsage")
    await protocol.detach()
    return usedSize / 2 ** 20
  }
  await sample(1000)
  await page.evaluate(() => {
    const steps = { told: 0, from: performance.now() }
    Object.assign(globalThis, { steps })
    const count = (event: MessageEvent) => (steps.told += Number(event.data.kind === "step"))
    ;(globalThis as unknown as { engine: Worker }).engine.addEventListener("message", count)
  })
  const before = await size()
  const tasks = await taskTimes(page, () => sample(1000))
  expect(tasks.filter(time => time > 100)).toEqual([])
  const [told, seconds] = await page.evaluate(() => {
    const { told, from } = (globalThis as unknown as { steps: { told: number; from: number } }).steps
    return [told, (performance.now() - from) / 1000] as const
  })
  expect(told).toBeGreaterThan(1)
  // Thirty pictures a second and thirty readings between them.
  expect(told).toBeLessThanOrEqual(60 * seconds + 2)
  expect((await size()) - before).toBeLessThan(4)
  const results = await downloads("Download all", 2)
  expect(results.size).toBe(2)
  await field("Model").selectOption("shipped")
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
  const attempt = async () => {
    await button("Sample").click()
    return await outcome()
  }
  await set("Steps", 2)
  await field("Model").selectOption("folder")
  expect(await notice().textContent()).toBe("Choose the model’s folder.")
  expect(await button("Sample").isDisabled()).toBe(true)
  const empty = join(folder, "no-model")
  await mkdir(empty)
  await writeFile(join(empty, "README.md"), "Nothing to load.")
  await page.locator("#folder").setInputFiles(empty)
  expect(await attempt()).toMatch(/no model_index\.json.*Choose a model in Diffusers’ layout/)

  await field("Model").selectOption("hub")
  await field("Hub id").fill("no model/at all")
  await field("Hub id").blur()
  expect(await attempt()).toContain('An id has the form "owner/name"')
  await field("Hub id").fill("org/tiny")
  await field("Hub id").blur()
  await browser.context.route(hubPages, route => route.abort("internetdisconnected"))
  expect(await attempt()).toMatch(/could not be reached.*Check the connection/)
  const said = () => page.getByRole("status").textContent()
  await expect.poll(said, slow).toMatch(/^Failed\. .*Check the connection/)
  await browser.context.unroute(hubPages)

  const weights = { "diffusion_pytorch_model.safetensors": await formulaSafetensors() }
  await using hub = await startHubServer({
    repos: { "org/tiny": { files: { ...flatModelFiles, ...weights } } },
  })
  await routeHub(browser.context, hub)
  await field("Hub id").fill("org/missing")
  await field("Hub id").blur()
  expect(await attempt()).toMatch(/shows no model org\/missing.*Check the id/)
  await page.screenshot({ path: join(screenshots, "missing.png") })
  await field("Hub id").fill("org/tiny")
  await field("Hub id").blur()
  const protocol = await browser.context.newCDPSession(page)
  const origin = new URL(page.url()).origin
  await protocol.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1000 })
  expect(await attempt()).toMatch(/browser.*Delete stored models/)
  await protocol.send("Storage.overrideQuotaForOrigin", { origin })
  await protocol.detach()
  expect(await attempt()).toMatch(/^Done/)
  await button("Delete stored models").click()
  await expect.poll(() => button("Delete stored models").isDisabled(), slow).toBe(true)
  await browser.context.unroute(hubPages)
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
  // What fingers are to hit; a radio button is as large as its label.
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, select, input:not([type=radio]), .modes label, .switch label")]
      .map(element => ({
        name: element.textContent || element.id,
        ...element.getBoundingClientRect().toJSON(),
      }))
      .filter(({ width, height }) => width > 0 && (width < 44 || height < 44)),
  )
  expect(small).toEqual([])
})

test("samples on WebGPU; a lost device is told, or gives way to the next", async () => {
  await page.setViewportSize({ width: 1440, height: 900 })
  await chooseFolder({ className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
  await field("Device").selectOption("webgpu")
  await field("Sampler").selectOption("own")
  await set("Steps", 2)
  await set("Pictures", 2)
  await button("Sample").click()
  await finish()
  const results = await downloads("Download all", 2)
  expectAlike(results.values(), await runShownCode(results.keys(), new Map(), ["tiny-model"]))

  const lose = async () => {
    await set("Steps", 300)
    await button("Sample").click()
    await reachStep(/^[1-9]\d*\/300$/)
    await browser.crashGpu()
    return await outcome()
  }
  expect(await lose()).toMatch(/went away\. Start again/)
  await page.screenshot({ path: join(screenshots, "failed.png") })
  await field("Device").selectOption("auto")
  expect(await lose()).toMatch(/^Done.*WebGPU was lost on the way/)
  expect(await page.locator(".aside").first().textContent()).toBe("DDPM on WebAssembly")
  await page.screenshot({ path: join(screenshots, "lost.png") })
})

test("is a darkroom by its own switch too, and after a reload", async () => {
  await page.emulateMedia({ colorScheme: "light" })
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await ground()
  await button("Darkroom").click()
  const dark = await ground()
  expect(dark).not.toBe(light)
  await page.reload()
  await button("Light table").waitFor()
  expect(await ground()).toBe(dark)
  await button("Light table").click()
  expect(await ground()).toBe(light)
})

test("no error went uncaught", () => {
  expect(errors).toEqual([])
})
