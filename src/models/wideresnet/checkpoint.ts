import { InputError } from "../../errors.ts"
import type { ByteSource } from "../../platform/byte-source.ts"
import { WeightsError } from "../../weights/errors.ts"
import { FlaxArray, type FlaxTree, openFlaxFile, startsAsFlax } from "../../weights/flax-file.ts"
import { matchTensors, requireSame } from "../../weights/match-tensors.ts"
import { openWeights } from "../../weights/open-weights.ts"
import { weightsFile } from "../../weights/stored-tensors.ts"
import type { WeightsFile } from "../../weights/weights-file.ts"
import { parameterShapes } from "../checkpoint.ts"
import { ModuleNames } from "../module-names.ts"
import { flaxWeights } from "../score-sde/flax-checkpoint.ts"
import { cifar10Classifier, type WideResnetConfig, wideResnetGraph } from "./network.ts"

/** What a checkpoint of the classifier doesn't tell. */
export type WideResnetPictures = Partial<Pick<WideResnetConfig, "imageSize" | "pixelMean" | "pixelStd">>

/** A classifier's checkpoint. */
export interface WideResnetCheckpoint {
  readonly config: WideResnetConfig
  readonly weights: WeightsFile
}

/**
 * Opens a checkpoint of the noise-conditional classifier: score_sde's own (Flax, parameters alone), or the same tensors
 * as safetensors or from `torch.save`, by their Flax names joined by dots and in PyTorch's layout
 * (`WideResnetGroup_0.WideResnetBlock_0.conv1.weight`). Its widths and its classes are told by the tensors' shapes. The
 * result owns `source`, which is closed when opening fails.
 *
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED`, and what reading the forms throws;
 * InputError for pictures that the classifier can't take; AbortError.
 */
export async function openWideResnet(
  source: ByteSource,
  pictures: WideResnetPictures,
  signal: AbortSignal | undefined,
): Promise<WideResnetCheckpoint> {
  try {
    const [first = 0] = await source.read(0, Math.min(1, source.size), signal)
    return startsAsFlax(first)
      ? await openFlax(source, pictures, signal)
      : await openNamed(source, pictures, signal)
  } catch (error) {
    await source.close()
    throw error
  }
}

async function openFlax(
  source: ByteSource,
  pictures: WideResnetPictures,
  signal: AbortSignal | undefined,
): Promise<WideResnetCheckpoint> {
  const file = await openFlaxFile(source, signal)
  const params = file.root.get("params")
  const tree = params instanceof Map ? (params as FlaxTree) : file.root
  const config = configOf(file.name, pictures, module => {
    const shape = kernelShape(tree, module)
    return shape && { inputs: shape.at(-2)!, outputs: shape.at(-1)! }
  })
  const names = new ModuleNames()
  const shapes = parameterShapes(wideResnetGraph(config, names))
  const parameters = [...shapes].map(([name, shape]) => ({ name, shape, flax: names.flax(name, shape) }))
  return { config, weights: flaxWeights(file, tree, parameters) }
}

async function openNamed(
  source: ByteSource,
  pictures: WideResnetPictures,
  signal: AbortSignal | undefined,
): Promise<WideResnetCheckpoint> {
  const weights = withoutPrefix(await openWeights(source, { signal }))
  const config = configOf(weights.name, pictures, module => {
    const [outputs, inputs] = weights.tensors.get(`${module}.weight`)?.shape ?? []
    return outputs !== undefined && inputs !== undefined ? { inputs, outputs } : undefined
  })
  const match = matchTensors(parameterShapes(wideResnetGraph(config)), weights)
  requireSame(weights.name, match, hint)
  return { config, weights }
}

const hint =
  "Only score_sde's noise-conditional WideResNet can be read; any other classifier can be given as a function."

/** The inputs and outputs of a module's kernel; undefined where there is no such module. */
type Kernels = (module: string) => { readonly inputs: number; readonly outputs: number } | undefined

function configOf(fileName: string, pictures: WideResnetPictures, kernels: Kernels): WideResnetConfig {
  const block = (j: number) => kernels(`WideResnetGroup_0.WideResnetBlock_${j}.conv1`)
  const [first, head, classes] = [kernels("init_conv"), block(0), kernels("Dense_2")]
  if (!first || !head || !classes || head.outputs % 16 !== 0) {
    throw new WeightsError("TENSOR_MISSING", `${fileName} holds no classifier of score_sde.`, { hint })
  }
  let blocksPerGroup = 1
  while (block(blocksPerGroup)) blocksPerGroup++
  const config = {
    imageSize: pictures.imageSize ?? cifar10Classifier.imageSize,
    numChannels: first.inputs,
    numClasses: classes.outputs,
    blocksPerGroup,
    channelMultiplier: head.outputs / 16,
    pixelMean: pictures.pixelMean ?? cifar10Classifier.pixelMean,
    pixelStd: pictures.pixelStd ?? cifar10Classifier.pixelStd,
  }
  checkPictures(config)
  return config
}

function checkPictures({ imageSize, numChannels, pixelMean, pixelStd }: WideResnetConfig): void {
  if (!(Number.isInteger(imageSize) && imageSize >= 4 && imageSize % 4 === 0)) {
    throw new InputError("INVALID_ARGUMENT", `imageSize is ${imageSize}, but must be a multiple of 4.`)
  }
  const fits =
    pixelMean.length === numChannels &&
    pixelStd.length === numChannels &&
    pixelMean.every(Number.isFinite) &&
    pixelStd.every(std => std > 0 && std < Number.POSITIVE_INFINITY)
  if (fits) return
  throw new InputError(
    "INVALID_ARGUMENT",
    `pixelMean and pixelStd must be ${numChannels} numbers each, one for each channel of the classifier's pictures.`,
    { hint: "They are the mean and the deviation of the pixels that it was trained on, in [0, 1]." },
  )
}

function kernelShape(tree: FlaxTree, module: string): readonly number[] | undefined {
  let at: unknown = tree
  for (const name of [...module.split("."), "kernel"]) at = at instanceof Map ? at.get(name) : undefined
  return at instanceof FlaxArray && at.shape.length >= 2 ? at.shape : undefined
}

/** The same tensors, without the prefix that `DataParallel` adds. */
function withoutPrefix(file: WeightsFile): WeightsFile {
  if (![...file.tensors.keys()].every(name => name.startsWith("module."))) return file
  const tensors = [...file.tensors.values()].map(info => ({
    ...info,
    name: info.name.slice("module.".length),
    load: (signal: AbortSignal | undefined) => file.read(info.name, signal),
  }))
  const { name, format, metadata } = file
  return weightsFile({ name, format, metadata, tensors, close: () => file.close() })
}
