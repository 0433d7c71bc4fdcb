import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { readNpz } from "../../src/arrays/npz.ts"
import type { CommandContext } from "../../src/cli/context.ts"
import { exportModel } from "../../src/cli/export.ts"
import { Interrupt } from "../../src/cli/interrupt.ts"
import { sample } from "../../src/cli/sample.ts"
import { Terminal } from "../../src/cli/terminal.ts"
import { Image } from "../../src/image/image.ts"
import { filesBelow, hideHubEnvironment, temporaryHub } from "../hub/hub-fixtures.ts"
import { writeModel } from "../pipelines/tiny-model.ts"
import { scoreSde, sharedFolder, shippedModel } from "./run-program.ts"

hideHubEnvironment()
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const folder = await sharedFolder()
const place = (...parts: string[]): string => join(folder, ...parts)
const model = place("model")
beforeAll(() => writeModel(model, { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }))

/** A context whose Ctrl-C comes when a text is shown. */
function interruptedAt(text: string): CommandContext & { shown(): string } {
  const controller = new AbortController()
  let shown = ""
  const write = (chunk: string | Uint8Array): boolean => {
    shown += chunk
    if (shown.includes(text)) controller.abort()
    return true
  }
  const terminal = new Terminal({ stream: { write, isTTY: true, columns: 120 } })
  return { signal: controller.signal, terminal, shown: () => shown }
}

describe("Ctrl-C", () => {
  it("aborts once, and then is the system's again", () => {
    const before = process.listenerCount("SIGINT")
    const heard: string[] = []
    const interrupt = new Interrupt(() => heard.push("interrupted"))
    interrupt.signal.addEventListener("abort", () => heard.push("aborted"))
    expect(process.listenerCount("SIGINT")).toBe(before + 1)
    process.emit("SIGINT")
    expect(heard).toEqual(["interrupted", "aborted"])
    expect(process.listenerCount("SIGINT")).toBe(before)
  })

  it("while sampling keeps what was done, in a grid and an array too", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue()
    const context = interruptedAt("picture 2 of 3")
    const [out, outNpz] = [place("grid.png"), place("done.npz")]
    const options = { numImages: 3, batchSize: 1, steps: 300, seed: 0, grid: true, out, outNpz }
    const sampling = sample(model, { ...options, device: ["cpu"], dtype: "fp32" }, context)
    await expect(sampling).rejects.toMatchObject({
      code: "ABORTED",
      message: expect.stringMatching(
        /^Interrupted after step \d+ of 300 for picture 2\. The 1 of 3 pictures that were done are kept\.$/,
      ),
    })
    expect(log.mock.calls).toEqual([[out], [outNpz]])
    expect((await Image.read(out)).width).toBe(2 + 10)
    expect((await readNpz(await readFile(outNpz), outNpz)).get("images")!.shape).toEqual([1, 8, 8, 3])
    expect(await readdir(folder)).toEqual(["done.npz", "grid.png", "model"])
  })

  it("while exporting leaves nothing", async () => {
    const context = interruptedAt("Writing unet/model.onnx")
    const exporting = exportModel(model, place("exported"), { dtype: "both" }, context)
    await expect(exporting).rejects.toMatchObject({
      code: "ABORTED",
      message: "Interrupted. Nothing is written.",
    })
    expect((await readdir(folder)).filter(name => name.includes("exported"))).toEqual([])
  })

  it("while downloading ends the program with 130, and says what stays", async () => {
    const names = [
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      "unet/diffusion_pytorch_model.safetensors",
    ]
    const read = async (name: string) => [name, await readFile(join(shippedModel, name))] as const
    const files = Object.fromEntries(await Promise.all(names.map(read)))
    const server = await temporaryHub({ repos: { "a/emoji": { files } } })
    server.addFault({ match: "safetensors", server: "cdn", kind: "slow", pieces: 200, pause: 100 })
    const env = { HF_ENDPOINT: server.url, HF_HOME: place("home"), HF_HUB_OFFLINE: "" }
    let interrupted = false
    const result = await scoreSde(["sample", "a/emoji", "--out", place("never.png")], {
      env,
      onStderr(text, child) {
        if (interrupted || !text.includes("Downloading: ")) return
        interrupted = child.kill("SIGINT")
      },
    })
    expect(result).toMatchObject({ code: 130, signal: null, stdout: "" })
    expect(result.stderr).toMatch(
      /\nStopping .*Ctrl-C again ends at once\.\nInterrupted while loading\. Files that were downloaded whole stay in the cache\.\n$/,
    )
    const kept = await filesBelow(place("home"))
    expect(kept.some(path => path.endsWith("unet/config.json"))).toBe(true)
    expect(kept.some(path => path.endsWith("safetensors"))).toBe(false)
    expect(await readdir(folder)).not.toContain("never.png")
  })
})
