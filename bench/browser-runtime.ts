import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DiffusionPipeline } from "../src/index.ts"
import { startChromium } from "../test/browser/chromium.ts"
import { openPage } from "../test/browser/open-page.ts"
import { startSite } from "../test/browser/site.ts"
import { startHubServer } from "../test/hub-server/hub-server.ts"
import { root } from "../test/parity/folders.ts"
import type { Measurement } from "./figure.ts"
import { pairRatios, threads, timed } from "./pairs.ts"

type Program = typeof import("../test/browser/pages/pipeline.ts")

const wasm = "browser.wasm.vs-node"
const outside = "browser.webgpu.outside-network"
const bytes = "browser.webgpu.step.kB"
const id = "score-sde/ncsnpp-emoji-32"
const folder = join(root, "models/ncsnpp-emoji-32")
const size = [1, 3, 32, 32] as const

/** The model that ships in Chromium: WebAssembly beside Node's CPU, and what WebGPU's sampler does besides the network. */
export const browserRuntime: Measurement = {
  figures: [
    { name: wasm, unit: "×", goal: 3 },
    { name: outside, unit: "%", goal: 10 },
    { name: bytes, unit: "kB", goal: 0 },
  ],
  async *run(wanted) {
    const paths = readdirSync(folder, { encoding: "utf8", recursive: true }).filter(path =>
      /\.(json|safetensors)$/.test(path),
    )
    const files = Object.fromEntries(paths.map(path => [path, readFileSync(join(folder, path))]))
    await using hub = await startHubServer({ repos: { [id]: { files } } })
    await using site = await startSite()
    await using browser = await startChromium()
    const endpoint = hub.url

    if (wanted.has(wasm)) {
      await using page = await openPage<Program>(browser.context, site, "pipeline")
      await page.call("load", "wasm", id, { endpoint, device: "wasm", threads })
      await using node = await DiffusionPipeline.fromPretrained(folder, { device: "cpu", threads })
      const sample = { dtype: "float32", shape: size, data: new Float32Array(3 * 32 * 32).fill(0.5) } as const
      const ours = (count: number): Promise<readonly number[]> =>
        page.call("secondsOfEvaluations", "wasm", count)
      const values = await pairRatios(
        ours,
        timed(() => node.unet.forward(sample, 1)),
        { pairs: 7, turn: 20 },
      )
      yield { name: wasm, values }
    }

    if (wanted.has(outside) || wanted.has(bytes)) {
      await using page = await openPage<Program>(browser.context, site, "pipeline")
      // Inline: what the page reads from the GPU is counted there.
      await page.call("load", "webgpu", id, { endpoint, device: "webgpu", worker: false })
      const options = { seed: 1, batchSize: 1, numInferenceSteps: 2 }
      const shares: number[] = []
      const read: number[] = []
      for (let i = 0; i < 3; i++) {
        const { whole, network, bytesRead } = await page.call("sampleBesideNetwork", "webgpu", options)
        // The first compiles.
        if (i === 0) continue
        shares.push((1 - network / whole) * 100)
        read.push(...bytesRead.map(count => count / 1000))
      }
      yield { name: outside, values: shares }
      yield { name: bytes, values: read }
    }
  },
}
