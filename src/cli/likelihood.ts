import { dirname } from "node:path"
import { makeDirectory, writeFileAtomic } from "#platform/files"
import { writeNpz } from "../arrays/npz.ts"
import { InputError } from "../errors.ts"
import { joinRows, takeRows } from "../pipelines/batches.ts"
import { pictureTensor } from "../pipelines/picture-input.ts"
import { PhiloxGenerator } from "../random/philox-generator.ts"
import { randomSeed, type Seed } from "../random/seed.ts"
import type { Likelihood } from "../sde/likelihood.ts"
import type { Tensor } from "../tensor.ts"
import { loadFloats } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import {
  batchRanges,
  type FlowArguments,
  flowOptions,
  interruptible,
  loadPipeline,
} from "./flow-arguments.ts"
import { FlowProgress } from "./flow-progress.ts"
import { countOf, formatSeconds } from "./format.ts"
import { checkOutputFile } from "./output-path.ts"
import { loadPictures } from "./picture-files.ts"

interface LikelihoodArguments extends FlowArguments {
  readonly data: readonly string[]
  readonly probe?: string
  readonly probeType?: "rademacher" | "gaussian" | "exact"
  readonly probes?: number
  readonly dequantize: boolean
  readonly seed?: Seed
  readonly json?: boolean
  readonly out?: string
}

/** `score-sde likelihood`: bits/dim of pictures, told batch by batch. */
export async function measure(
  model: string,
  options: LikelihoodArguments,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context
  const { probes, dequantize, json = false, out } = options
  if (options.probe !== undefined && options.probeType !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Both --probe and --probe-type were given.", {
      hint: "Give one of them.",
    })
  }
  const pictures = await loadPictures(options.data)
  const given = options.probe === undefined ? undefined : await loadFloats(options.probe, "probe")
  if (out !== undefined) await checkOutputFile(out)
  await using pipe = await loadPipeline(model, options, context)
  const { shape } = pipe.scoreModel()
  const images = pictureTensor(pictures, shape)
  const probe = given && checkedProbe(given, images)
  const count = images.shape[0]!
  const seed = options.seed ?? randomSeed()
  const generator = new PhiloxGenerator(seed)
  terminal.note(`Measuring ${countOf(count, "picture")} on ${pipe.unet.device}, seed ${seed}.`)

  const start = performance.now()
  const progress = new FlowProgress(terminal, "Likelihood")
  const results: Likelihood[] = []
  let done = 0
  await interruptible(
    context,
    async () => {
      for (const batch of batchRanges(count, options, [shape[1], shape[2]])) {
        const result = await pipe.likelihood(takeRows(images, batch.first, batch.count), {
          ...flowOptions(options, batch, context),
          probe: probe ? takeRows(probe, batch.first, batch.count) : options.probeType,
          probes,
          dequantize,
          generator,
          onProgress: progress.handler(batch.first / count, batch.count / count),
        })
        results.push(result)
        done += batch.count
        if (!json) {
          terminal.endProgress()
          for (const bits of result.bitsPerDim) console.log(bits.toFixed(6))
        }
      }
    },
    () =>
      `${done} of ${countOf(count, "picture")} were measured${json || out !== undefined ? ", and nothing is written" : ""}.`,
  )
  const bits = results.flatMap(result => [...result.bitsPerDim])
  const errors = results.flatMap(result => [...(result.standardError ?? [])])
  const mean = bits.reduce((sum, one) => sum + one, 0) / count
  const nfe = results.reduce((sum, result) => sum + result.nfe, 0)
  if (json) {
    const standardError = errors.length > 0 ? errors : null
    console.log(JSON.stringify({ bitsPerDim: bits, standardError, mean, nfe, seed: String(seed) }, null, 2))
  }
  if (out !== undefined) await save(out, bits, errors, joinRows(results.map(result => result.latents)))
  const time = formatSeconds((performance.now() - start) / 1000)
  terminal.note(
    `${mean.toFixed(4)} bits/dim over ${countOf(count, "picture")} in ${time}: ${countOf(nfe, "evaluation")} of the network with its gradient, seed ${seed}.`,
  )
}

function checkedProbe(probe: Tensor<"float32">, images: Tensor<"float32">): Tensor<"float32"> {
  if (probe.shape.join() === images.shape.join()) return probe
  throw new InputError(
    "SHAPE_MISMATCH",
    `The probe has the shape [${probe.shape.join(", ")}], but the pictures have [${images.shape.join(", ")}].`,
  )
}

async function save(
  path: string,
  bits: readonly number[],
  errors: readonly number[],
  latents: Tensor<"float32">,
): Promise<void> {
  const vector = (numbers: readonly number[]): Tensor => ({
    dtype: "float64",
    shape: [numbers.length],
    data: Float64Array.from(numbers),
  })
  const arrays = new Map<string, Tensor>([["bits_per_dim", vector(bits)]])
  if (errors.length > 0) arrays.set("standard_error", vector(errors))
  arrays.set("latents", latents)
  await makeDirectory(dirname(path))
  await writeFileAtomic(path, await writeNpz(arrays))
}
