import { ConfigError } from "../../src/config/errors.ts"
import type { AnyNetwork } from "../../src/models/registry.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import type { Tensor } from "../../src/tensor.ts"
import { atMost, type Check, same } from "./check.ts"
import { relativeDifference } from "./differences.ts"
import { type Forward, type Reference, readArray, readReference } from "./references.ts"

/** Of the output's largest value. */
export const networkLimit = 1e-4

// Misspelt or meaningless values, which Diffusers takes without a word and this library refuses.
const misspelt: ReadonlySet<string> = new Set([
  "options/any-mid-block-type-is-unetmidblock2d",
  "options/any-other-class-embed-type-is-none",
  "options/any-resampling-type-without-attention-blocks-that-resample",
])

/** Compares one model's network outputs with Diffusers'. */
export function networkCheck(model: string): Check {
  return {
    name: `network ${model}`,
    async *run() {
      if (misspelt.has(model)) {
        yield same("refused", await refusal(model))
        return
      }
      const reference = await readReference(model)
      const forwards = reference.forwards
      const unet = await loadNetwork(reference, forwards[0]!)
      try {
        const differences: number[] = []
        for (const forward of forwards) differences.push(await outputDifference(unet, reference, forward))
        yield atMost(`${forwards.length} outputs`, Math.max(...differences), networkLimit)
      } finally {
        await unet.dispose()
      }
    },
  }
}

/** How far the network's output is from Diffusers'. */
export async function outputDifference(
  unet: AnyNetwork,
  reference: Reference,
  forward: Forward,
): Promise<number> {
  const array = (file: string): Promise<Tensor> => readArray(reference, file)
  const sample = (await array(forward.sample)) as Tensor<"float32">
  const timestep = Array.from((await array(forward.timestep)).data, Number)
  const labels = forward.classLabels === undefined ? undefined : await array(forward.classLabels)
  const output = await unet.forward(sample, timestep, labels ? { classLabels: labels } : {})
  return relativeDifference(output, await array(forward.output))
}

/** Why loading the model is not refused as it should be; undefined where it is. */
async function refusal(model: string): Promise<string | undefined> {
  const { path } = await readReference(model)
  const outcome = await UNet2DModel.fromPretrained(path, { device: "cpu" }).catch((error: unknown) => error)
  if (outcome instanceof ConfigError) return undefined
  if (outcome instanceof UNet2DModel) await outcome.dispose()
  return String(outcome)
}

async function loadNetwork(reference: Reference, forward: Forward): Promise<AnyNetwork> {
  const { kind, path, variant, useSafetensors } = reference
  if (kind === "pipeline") {
    const pipe = await DiffusionPipeline.fromPretrained(path, { device: "cpu", variant, useSafetensors })
    return pipe.unet
  }
  // Some cases give pictures of another size than the configuration says.
  const [, , height, width] = (await readArray(reference, forward.sample)).shape
  return UNet2DModel.fromPretrained(path, { device: "cpu", size: [height!, width!] })
}
