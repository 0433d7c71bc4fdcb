import { cp, mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { runPython } from "../test/parity/python.ts"
import { ensureBuilt, nodeBuild } from "./built-package.ts"
import type { Measurement } from "./figure.ts"
import { inFreshProcess } from "./fresh-process.ts"
import { ncsnpp256Bin } from "./models.ts"
import { threads } from "./pairs.ts"

const seconds = "load.ncsnpp-256.seconds"
const memory = "load.ncsnpp-256.memory"
const weightFile = "diffusion_pytorch_model.bin"
const processes = 5

/** What the process reports. */
interface Load {
  readonly milliseconds: number
  readonly peakBytes: number
}

/**
 * From the `.bin` of an ncsnpp-256 to a pipeline that is ready to run, in a fresh process: the time with the import of
 * the library, and the peak of resident memory divided by the size of the file. Nothing is converted yet, and the file
 * is not in the system's cache.
 */
export const loading: Measurement = {
  figures: [
    { name: seconds, unit: "s", goal: 4 },
    { name: memory, unit: "×", goal: 3.5 },
  ],
  async *run() {
    ensureBuilt()
    const library = JSON.stringify(pathToFileURL(join(nodeBuild, "index.js")).href)
    const times: number[] = []
    const peaks: number[] = []
    for (let i = 0; i < processes; i++) {
      const folder = await mkdtemp(join(tmpdir(), "score-sde-load-"))
      try {
        const model = join(folder, "model")
        await cp(ncsnpp256Bin, model, { recursive: true })
        const file = join(model, weightFile)
        const { size } = await stat(file)
        await dropFromCache(file)
        const { milliseconds, peakBytes } = await inFreshProcess<Load>(
          `
          const start = performance.now()
          const { DiffusionPipeline } = await import(${library})
          const options = { device: "cpu", threads: ${threads} }
          const pipe = await DiffusionPipeline.fromPretrained(${JSON.stringify(model)}, options)
          const milliseconds = performance.now() - start
          const peakBytes = process.resourceUsage().maxRSS * 1024
          await pipe.dispose()
          console.log(JSON.stringify({ milliseconds, peakBytes }))`,
          { HF_ASSETS_CACHE: join(folder, "converted") },
        )
        times.push(milliseconds / 1000)
        peaks.push(peakBytes / size)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
    yield { name: seconds, values: times }
    yield { name: memory, values: peaks }
  },
}

/** Lets the system forget a file's contents, where it can be asked to. */
async function dropFromCache(file: string): Promise<void> {
  const code = `
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(file)
if hasattr(os, "posix_fadvise"):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)`
  await runPython(["-c", code, file])
}
