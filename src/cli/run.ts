import { InputError } from "../errors.ts"
import { openRepo } from "../hub/open-repo.ts"
import type { UNet2DConfig } from "../models/unet2d/config.ts"
import { UNet2DModel } from "../models/unet2d/model.ts"
import type { Tensor } from "../tensor.ts"
import { asFloats, loadArray, loadFloats, saveArray } from "./arrays.ts"
import type { CommandContext } from "./context.ts"
import { formatSeconds } from "./format.ts"
import { loadModel } from "./load-model.ts"
import { type ComputationArguments, loadingOptions, type RepoArguments } from "./model-options.ts"
import { checkOutputFile } from "./output-path.ts"

interface RunArguments extends RepoArguments, ComputationArguments {
  readonly sample: string
  readonly timestep: string
  readonly classLabels?: string
  readonly out: string
}

/** `score-sde run`: one evaluation of a model's network, from arrays to an array. */
export async function run(model: string, options: RunArguments, context: CommandContext): Promise<void> {
  const { signal, terminal } = context
  const sample = await loadFloats(options.sample, "sample")
  const timestep = await loadTimestep(options.timestep)
  const labels =
    options.classLabels === undefined ? undefined : await loadArray(options.classLabels, "class_labels")
  const [, , height, width, ...more] = sample.shape
  if (height === undefined || width === undefined || more.length > 0) {
    const shape = sample.shape.join(", ")
    throw new InputError(
      "SHAPE_MISMATCH",
      `${options.sample} has shape [${shape}], but samples are [N, C, H, W].`,
    )
  }
  await checkOutputFile(options.out)

  const loading = { ...loadingOptions(options, context), size: [height, width] as const }
  await using unet = await loadModel(context, options, async () =>
    UNet2DModel.fromRepo(await openRepo(model, loading), "unet", loading),
  )
  const start = performance.now()
  const classLabels = labels && labelsFor(unet.config, labels)
  const output = await unet.forward(sample, timestep, { signal, ...(classLabels && { classLabels }) })
  const seconds = (performance.now() - start) / 1000
  await saveArray(options.out, "sample", output)
  console.log(options.out)
  terminal.note(`float32 [${output.shape.join(", ")}] in ${formatSeconds(seconds)} on ${unet.device}.`)
}

/** A number, or an array's elements. */
async function loadTimestep(text: string): Promise<Float32Array> {
  if (text.trim() !== "" && Number.isFinite(Number(text))) return Float32Array.of(Number(text))
  const { shape, data } = await loadFloats(text, "timestep")
  if (shape.length <= 1) return data
  throw new InputError("SHAPE_MISMATCH", `${text} has shape [${shape.join(", ")}], but time steps are [N].`)
}

/** Labels in the type that the network takes: classes are counted, embeddings and times are floats. */
function labelsFor({ classEmbedType, numClassEmbeds }: UNet2DConfig, labels: Tensor): Tensor {
  if (classEmbedType !== null) return asFloats(labels)
  const { dtype, shape, data } = labels
  if (numClassEmbeds === null || dtype === "int64") return labels
  if (!/^(?:u?int|bool)/.test(dtype)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The class labels are ${dtype}, but classes are counted: give int64.`,
    )
  }
  return { dtype: "int64", shape, data: BigInt64Array.from(data as ArrayLike<number>, BigInt) }
}
