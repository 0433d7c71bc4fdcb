import { statFile } from "#platform/files"
import { InputError } from "../errors.ts"
import { UNet2DModel } from "../models/unet2d/model.ts"
import { loadArray, loadFloats, saveArray } from "./arrays.ts"
import { Interrupt } from "./interrupt.ts"
import { loadingOptions, type ModelCommandOptions } from "./model-options.ts"
import { openComponent } from "./open-component.ts"

interface RunOptions extends ModelCommandOptions {
  readonly sample: string
  readonly timestep: string
  readonly classLabels?: string
  readonly out: string
}

/** `score-sde run`: one evaluation of a model's network, from arrays to an array. */
export async function run(model: string, options: RunOptions): Promise<void> {
  const sample = await loadFloats(options.sample)
  const timestep = await loadFloats(options.timestep)
  const classLabels = options.classLabels === undefined ? undefined : await loadArray(options.classLabels)
  if (sample.shape.length !== 4) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `${options.sample} has shape [${sample.shape.join(", ")}], but must be [N, C, H, W].`,
    )
  }
  if ((await statFile(options.out))?.kind === "directory") {
    throw new InputError("INVALID_ARGUMENT", `${options.out} is a folder.`)
  }
  using interrupt = new Interrupt()
  const { signal } = interrupt
  const size = [sample.shape[2]!, sample.shape[3]!] as const
  const loading = { ...loadingOptions(options, signal), size }
  const { repo, component } = await openComponent(model, loading)
  await using unet = await UNet2DModel.fromRepo(repo, component, loading)
  const output = await unet.forward(sample, timestep.data, { signal, ...(classLabels && { classLabels }) })
  await saveArray(options.out, output)
  console.log(`${options.out} [${output.shape.join(", ")}] from ${unet.device}`)
}
