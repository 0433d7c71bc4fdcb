import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "vite"
import { type Chromium, startChromium } from "../test/browser/chromium.ts"
import { type Site, startSite } from "../test/browser/site.ts"
import { type HubServer, startHubServer } from "../test/hub-server/hub-server.ts"
import { root } from "../test/parity/folders.ts"
import { browserBuild, ensureBuilt } from "./built-package.ts"
import type { Measurement } from "./figure.ts"

const size = "browser.page.kB"
const studioSize = "browser.studio.kB"
const firstPicture = "browser.first-picture.s"
const studio = join(root, "examples/studio")
const id = "score-sde/ncsnpp-emoji-32"
const visits = 5

/** What a page loads before a model is chosen, and how soon one that has been there before shows a picture. */
export const browserPage: Measurement = {
  figures: [
    { name: size, unit: "kB", goal: 150 },
    ...(existsSync(studio) ? [{ name: studioSize, unit: "kB", goal: 150 } as const] : []),
    { name: firstPicture, unit: "s" },
  ],
  async *run(wanted) {
    ensureBuilt()
    const work = await mkdtemp(join(tmpdir(), "score-sde-bench-"))
    await using hub = await startHubServer({
      repos: { [id]: { files: filesOf(join(root, "models/ncsnpp-emoji-32")) } },
    })
    try {
      const app = await buildApp(work, hub.url)
      await using site = await startSite({ library: false, files: { "/app": { folder: app } } })
      await using chromium = await startChromium()
      if (wanted.has(size))
        yield { name: size, values: [await loadedKilobytes(chromium, site, "/app/index.html")] }
      if (wanted.has(firstPicture)) {
        yield { name: firstPicture, values: await secondsToPicture(chromium, site, hub) }
      }
      if (!wanted.has(studioSize)) return
      const outDir = join(work, "studio")
      await build({
        root: studio,
        configFile: join(studio, "vite.config.ts"),
        logLevel: "error",
        build: { outDir },
      })
      await using page = await startSite({ library: false, files: { "/studio": { folder: outDir } } })
      yield { name: studioSize, values: [await loadedKilobytes(chromium, page, "/studio/index.html")] }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  },
}

/** An app of one button, built by Vite: it samples one picture in two steps on WebAssembly, and says so in its title. */
async function buildApp(work: string, endpoint: string): Promise<string> {
  writeFileSync(
    join(work, "index.html"),
    `<!doctype html><html lang=en><title>waiting</title><body><script type="module" src="./app.js"></script>`,
  )
  writeFileSync(
    join(work, "app.js"),
    `import { DiffusionPipeline } from "score-sde"
    const sample = async () => {
      const options = { endpoint: ${JSON.stringify(endpoint)}, device: "wasm" }
      const pipe = await DiffusionPipeline.fromPretrained(${JSON.stringify(id)}, options)
      const { images: [image] } = await pipe({ seed: 0, numInferenceSteps: 2 })
      document.body.append(Object.assign(new Image(), { src: URL.createObjectURL(await image.toBlob()) }))
      await document.images[0].decode()
      document.title = String(performance.now() / 1000)
    }
    globalThis.sample = sample
    if (location.search === "?now") await sample()`,
  )
  const outDir = join(work, "app")
  const alias = { "score-sde": join(browserBuild, "index.js") }
  await build({ root: work, base: "/app/", logLevel: "error", resolve: { alias }, build: { outDir } })
  return outDir
}

/** Gzipped kB of all that a page has loaded once it is at rest, but for ONNX Runtime. */
async function loadedKilobytes({ context }: Chromium, site: Site, path: string): Promise<number> {
  const page = await context.newPage()
  const bodies: Promise<Buffer>[] = []
  page.on("response", response => {
    if (!/\/ort[.-][^/]*$/.test(response.url())) bodies.push(response.body())
  })
  await page.goto(site.url + path, { waitUntil: "networkidle" })
  const bytes = (await Promise.all(bodies)).map(body => gzipSync(body, { level: 9 }).length)
  await page.close()
  return bytes.reduce((sum, count) => sum + count, 0) / 1000
}

/** Seconds from the beginning of a visit to the picture, model and its conversion being in the browser's storage. */
async function secondsToPicture({ context }: Chromium, site: Site, hub: HubServer): Promise<number[]> {
  const seconds: number[] = []
  for (let i = 0; i <= visits; i++) {
    hub.reset()
    const page = await context.newPage()
    await page.goto(`${site.url}/app/index.html?now`)
    await page.waitForFunction(() => document.title !== "waiting", undefined, { timeout: 300_000 })
    // The first visit fetches and converts; later ones only ask whether there is a new revision.
    if (i > 0) seconds.push(Number(await page.title()))
    if (i > 0 && hub.requests.length > 1) throw new Error("The model was fetched again.")
    await page.close()
  }
  return seconds
}

function filesOf(folder: string): Record<string, Uint8Array> {
  const names = readdirSync(folder, { encoding: "utf8", recursive: true })
  const files = names.filter(name => statSync(join(folder, name)).isFile())
  return Object.fromEntries(files.map(name => [name.replaceAll("\\", "/"), readFileSync(join(folder, name))]))
}
