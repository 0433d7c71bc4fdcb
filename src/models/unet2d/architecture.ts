import { formatConfig, readConfig } from "../../config/config.ts"
import { InputError } from "../../errors.ts"
import type { Architecture, PictureSize } from "../architecture.ts"
import { checkPictureSize } from "../picture-size.ts"
import { type UNet2DConfig, unet2dConfigSpec } from "./config.ts"

export const unet2d: Architecture<UNet2DConfig> = {
  className: unet2dConfigSpec.className,
  readConfig(json, { file, size, onWarning }) {
    const config = readConfig(unet2dConfigSpec, json, {}, { file, ...(onWarning && { onWarning }) })
    if (size === undefined) return config
    const [height, width] = pictureSize(config, size)
    const sampleSize = height === width ? height : ([height, width] as const)
    return readConfig(unet2dConfigSpec, config, { sampleSize }, { file })
  },
  formatConfig,
  channels: config => config,
  numClasses: ({ classEmbedType, numClassEmbeds, numTrainTimesteps }) =>
    // A time embedding of labels is a table too where it is learned.
    (classEmbedType === null ? numClassEmbeds : numTrainTimesteps) ?? undefined,
  pictureSize,
  loadGraph: async () => (await import("./network.ts")).unet2dGraph,
}

function pictureSize(
  { sampleSize, blockOutChannels }: UNet2DConfig,
  asked: PictureSize | undefined,
): PictureSize {
  const size = asked ?? (typeof sampleSize === "number" ? ([sampleSize, sampleSize] as const) : sampleSize)
  if (size === null) {
    throw new InputError("INVALID_ARGUMENT", "The model's configuration has no sample_size.", {
      hint: "Give `size: [height, width]`.",
    })
  }
  return checkPictureSize(size, 2 ** (blockOutChannels.length - 1), "the model")
}
