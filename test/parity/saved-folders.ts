import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { atMost, type Check, same } from "./check.ts"
import { programs } from "./folders.ts"
import { networkLimit, outputDifference } from "./networks.ts"
import { runPython } from "./python.ts"
import { readReference } from "./references.ts"

/** An answer of check_saved.py. */
interface Answer {
  readonly files: Record<string, "equal" | "absent" | { at: number; ours: string; theirs: string }>
  /** Files that only our folder has. */
  readonly extra: readonly string[]
  /** "equal", or what Diffusers finds different when it loads our folder. */
  readonly load: string
}

/** The graph that this library writes beside the weights. */
const graphFile = "unet/model.onnx"

/** Compares a folder that savePretrained wrote with the one that Diffusers writes, and loads it in both. */
export function savedFolderCheck(model: string): Check {
  return {
    name: `saved ${model}`,
    async *run() {
      const reference = await readReference(model)
      const { path, variant, useSafetensors } = reference
      const temporary = await mkdtemp(join(tmpdir(), "score-sde-saved-"))
      const saved = join(temporary, "saved")
      try {
        {
          const options = { device: "cpu", variant, useSafetensors } as const
          await using pipe = await DiffusionPipeline.fromPretrained(path, options)
          await pipe.savePretrained(saved)
        }
        const pair = { source: path, saved, loadVariant: variant }
        const { files, extra, load } = await askPython(pair)
        for (const [name, status] of Object.entries(files)) {
          yield same(`${name}, byte for byte`, status === "equal" ? undefined : JSON.stringify(status))
        }
        yield same("no other files", extra.join() === graphFile ? undefined : extra.join(", "))
        yield same("loads in Diffusers", load === "equal" ? undefined : load)

        await using pipe = await DiffusionPipeline.fromPretrained(saved, { device: "cpu", useOnnx: true })
        const difference = await outputDifference(pipe.unet, reference, reference.forwards[0]!)
        yield atMost(`output through ${graphFile}`, difference, networkLimit)
      } finally {
        await rm(temporary, { recursive: true, force: true })
      }
    },
  }
}

async function askPython(pair: object): Promise<Answer> {
  const program = join(programs, "check_saved.py")
  return JSON.parse(await runPython([program], { input: `${JSON.stringify(pair)}\n`, allowed: [1] }))
}
