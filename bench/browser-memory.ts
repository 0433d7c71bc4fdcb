import type { UNet2DConfig } from "../src/models/unet2d/config.ts"
import { type Chromium, startChromium } from "../test/browser/chromium.ts"
import { openPage } from "../test/browser/open-page.ts"
import { type Site, startSite } from "../test/browser/site.ts"
import { type HubServer, startHubServer } from "../test/hub-server/hub-server.ts"
import { configJson, flatModelFiles, formulaSafetensors } from "../test/pipelines/tiny-model.ts"
import type { Measurement } from "./figure.ts"

type Program = typeof import("../test/browser/pages/pipeline.ts")

const firstMemory = "browser.load-250MB.first.memory"
const againMemory = "browser.load-250MB.again.memory"
const firstSeconds = "browser.load-250MB.first.seconds"
const againSeconds = "browser.load-250MB.again.seconds"
const id = "score-sde/mid-sized"

/** google/ddpm-cifar10-32 with more channels: 62 million parameters. */
const config: Partial<UNet2DConfig> = {
  sampleSize: 32,
  blockOutChannels: [160, 320, 352, 352],
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
  upBlockTypes: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
  layersPerBlock: 2,
  normNumGroups: 32,
}

interface Load {
  /** Of `fromPretrained`. */
  readonly seconds: number
  /** Greatest memory of Chromium's processes ÷ size of the weights, above what an empty page takes. */
  readonly peak: number
}

/**
 * A model with 250 MB of weights in headless Chromium on WebAssembly: the first visit fetches it from a local server,
 * converts and loads it, the next one finds the conversion in the browser's storage.
 */
export const browserMemory: Measurement = {
  figures: [
    { name: firstMemory, unit: "×", goal: 3 },
    { name: firstSeconds, unit: "s" },
    { name: againMemory, unit: "×", goal: 3 },
    { name: againSeconds, unit: "s" },
  ],
  async *run() {
    const weights = await formulaSafetensors(config)
    const files = {
      ...flatModelFiles,
      "config.json": JSON.stringify(configJson(config)),
      "diffusion_pytorch_model.safetensors": weights,
    }
    await using hub = await startHubServer({ repos: { [id]: { files } } })
    await using site = await startSite()
    const first: Load[] = []
    const again: Load[] = []
    for (let i = 0; i < 3; i++) {
      await using browser = await startChromium({ webgpu: false })
      first.push(await load(browser, site, hub, weights.length))
      again.push(await load(browser, site, hub, weights.length))
    }
    yield { name: firstMemory, values: first.map(({ peak }) => peak) }
    yield { name: firstSeconds, values: first.map(({ seconds }) => seconds) }
    yield { name: againMemory, values: again.map(({ peak }) => peak) }
    yield { name: againSeconds, values: again.map(({ seconds }) => seconds) }
  },
}

async function load(browser: Chromium, site: Site, hub: HubServer, fileBytes: number): Promise<Load> {
  await using page = await openPage<Program>(browser.context, site, "pipeline")
  const before = await browser.megabytes()
  let peak = 0
  let loaded = false
  const start = performance.now()
  const loading = page
    .call("load", "pipe", id, { endpoint: hub.url, device: "wasm" })
    .finally(() => (loaded = true))
  while (!loaded) {
    peak = Math.max(peak, await browser.megabytes())
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await loading
  return { seconds: (performance.now() - start) / 1000, peak: (peak - before) / (fileBytes / 2 ** 20) }
}
