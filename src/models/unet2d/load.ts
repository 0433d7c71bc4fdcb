import { readConfig } from "../../config/config.ts"
import { parseJsonObject } from "../../config/json.ts"
import { InputError } from "../../errors.ts"
import { componentPath, filesOf, findWeights } from "../../hub/component-files.ts"
import { RuntimeError } from "../../runtime/errors.ts"
import { createSession, type ModelSource, type Session } from "../../runtime/session.ts"
import { type UNet2DConfig, unet2dConfigSpec } from "./config.ts"
import type { ModelOrigin } from "./model.ts"

/** The element types that a network can compute in. */
export type ModelDType = "fp32" | "fp16"

const maxConfigBytes = 2 ** 20

/** Reads the configuration of a model in a repository. */
export async function readUNet2DConfig({ repo, component, options }: ModelOrigin): Promise<UNet2DConfig> {
  const path = componentPath(repo, component, unet2dConfigSpec.fileName)
  const file = `${repo.id}/${path}`
  const json = parseJsonObject(await repo.readText(path, maxConfigBytes), { file })
  const { onWarning } = options
  return readConfig(unet2dConfigSpec, json, {}, { file, ...(onWarning && { onWarning }) })
}

/** The size of the pictures: what the caller asks for, else what the configuration says. */
export function pictureSize(
  { sampleSize, blockOutChannels }: UNet2DConfig,
  asked: readonly [height: number, width: number] | undefined,
): readonly [height: number, width: number] {
  const size = asked ?? (typeof sampleSize === "number" ? ([sampleSize, sampleSize] as const) : sampleSize)
  if (size === null) {
    throw new InputError("INVALID_ARGUMENT", "The model's configuration has no sample_size.", {
      hint: "Give `size: [height, width]`.",
    })
  }
  const factor = 2 ** (blockOutChannels.length - 1)
  if (size.some(side => !(Number.isInteger(side) && side >= factor && side % factor === 0))) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `A picture of ${size.join(" × ")} doesn't fit the model: both sides must be multiples of ${factor}.`,
    )
  }
  return size
}

/** Loads the network: the repository's ONNX graph where there is one, else its converted weights. */
export async function openUNet2DSession(config: UNet2DConfig, origin: ModelOrigin): Promise<Session> {
  const { repo, component, options } = origin
  const files = findWeights(repo, component, options)
  const load = (source: ModelSource): Promise<Session> =>
    createSession(source, { ...options, transfer: true })
  if (files.format === "onnx") {
    await repo.download(filesOf(files))
    return load({ path: await repo.localPath(files.path) })
  }
  // Only a model that has to be converted needs the code that builds graphs.
  const { convertUNet2D } = await import("./conversion.ts")
  const force = options.forceDownload ?? false
  try {
    return await load(await convertUNet2D(config, origin, files, force))
  } catch (error) {
    // What was kept from an earlier conversion may be damaged; a fresh one tells.
    if (force || repo.kind !== "hub" || !(error instanceof RuntimeError && error.code === "MODEL_INVALID"))
      throw error
    return load(await convertUNet2D(config, origin, files, true))
  }
}
