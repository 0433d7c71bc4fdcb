// Pages that use the package as it was installed: built by Vite with nothing configured, and as they are.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { build, type Plugin } from "vite"
import { startChromium } from "../test/browser/chromium.ts"
import { startSite } from "../test/browser/site.ts"
import { writeModel } from "../test/pipelines/tiny-model.ts"

const modelFiles = [
  "model_index.json",
  "scheduler/scheduler_config.json",
  "unet/config.json",
  "unet/diffusion_pytorch_model.safetensors",
]

/** Samples one picture, shows it, and puts what came of it into the page's title. */
function program(library: string): string {
  return `
    import { DiffusionPipeline } from ${JSON.stringify(library)}
    const files = await Promise.all(${JSON.stringify(modelFiles)}.map(async path => {
      const file = new File([await (await fetch("/model/" + path)).blob()], path.split("/").at(-1))
      return Object.defineProperty(file, "webkitRelativePath", { value: "model/" + path })
    }))
    try {
      const pipe = await DiffusionPipeline.fromPretrained(files, { device: "wasm", threads: 2 })
      const { images: [image], nfe } = await pipe({ seed: 0, numInferenceSteps: 2 })
      const shown = Object.assign(new Image(), { src: URL.createObjectURL(await image.toBlob()) })
      await shown.decode()
      document.body.append(shown)
      const sum = image.data.reduce((a, b) => a + b)
      document.title = [shown.width, shown.height, nfe, sum, crossOriginIsolated].join(" ")
      await pipe.dispose()
    } catch (error) {
      document.title = "failed: " + error
    }`
}

const page = (script: string) =>
  `<!doctype html><html lang=en><title>loading</title><body><script type="module" src="${script}"></script>`

/** Yields the name of each check as it passes. */
export async function* checkInBrowser(project: string): AsyncGenerator<string> {
  await writeModel(join(project, "model"), { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
  writeFileSync(join(project, "app.js"), program("score-sde"))
  writeFileSync(join(project, "index.html"), page("./app.js"))
  await build({ root: project, base: "/built/", logLevel: "error", plugins: [refuseNodeModules()] })
  yield "Vite builds an app, without any module for Node"

  await using site = await startSite({
    library: false,
    contentSecurityPolicy:
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src blob:",
    files: {
      "/built": { folder: join(project, "dist") },
      "/model": { folder: join(project, "model") },
      "/node_modules": { folder: join(project, "node_modules") },
      "/plain/index.html": page("./app.js"),
      "/plain/app.js": program("/node_modules/score-sde/dist/standalone/index.js"),
    },
  })
  await using chromium = await startChromium()
  const results: string[] = []
  for (const [name, path] of [
    ["the app samples in Chromium under a strict Content-Security-Policy", "/built/index.html"],
    ["so does a plain script, which needs no bundler", "/plain/index.html"],
  ] as const) {
    results.push(await visit(await chromium.context.newPage(), site.url, path))
    yield name
  }
  if (new Set(results).size !== 1)
    throw new Error(`The pages give different pictures: ${results.join("; ")}.`)
  yield "and both give the same picture"
}

/** Opens a page, waits for its picture, and returns its title. */
async function visit(tab: Page, origin: string, path: string): Promise<string> {
  const faults: string[] = []
  tab.on("request", request => {
    const url = request.url()
    if (!url.replace(/^blob:/, "").startsWith(`${origin}/`)) faults.push(`asked for ${url}`)
  })
  tab.on("console", message => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text())
  })
  tab.on("pageerror", error => faults.push(String(error)))
  await tab.goto(origin + path)
  await tab
    .waitForFunction(() => document.title !== "loading", undefined, { timeout: 120_000 })
    .catch(() => {})
  const title = await tab.title()
  if (faults.length > 0) throw new Error(`${path}: ${faults.join("\n")}`)
  if (!/^8 8 2 \d+ true$/.test(title)) throw new Error(`${path} ended with "${title}".`)
  await tab.close()
  return title
}

/** Fails the build that takes in a file for Node, or one of Node's own modules. */
function refuseNodeModules(): Plugin {
  return {
    name: "refuse-node-modules",
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue
        const found = chunk.moduleIds.find(id =>
          /__vite-browser-external|\/dist\/node\/|node_modules\/(?:onnxruntime-node|sharp)\//.test(id),
        )
        if (found) throw new Error(`${chunk.fileName} holds ${found}.`)
      }
    },
  }
}
