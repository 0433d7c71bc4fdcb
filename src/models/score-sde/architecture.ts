import { DIFFUSERS_VERSION } from "../../config/diffusers-version.ts"
import { formatJson } from "../../config/json.ts"
import { readScoreSdeConfig, scoreSdeConfigJson } from "../../configs/configs.ts"
import type { ScoreSdeConfig } from "../../configs/score-sde-config.ts"
import type { Architecture } from "../architecture.ts"
import { checkPictureSize } from "../picture-size.ts"
import { pictureFactor } from "../score-network-config.ts"

const className = "ScoreNetworkModel"

/** score_sde's networks. Their `config.json` is a whole configuration of score_sde, so that training can go on. */
export const scoreNetwork: Architecture<ScoreSdeConfig> = {
  className,
  readConfig(json, { file, size }) {
    const config = readScoreSdeConfig(
      Object.fromEntries(Object.entries(json).filter(([key]) => !key.startsWith("_"))),
      { file },
    )
    const [height, width] = size ?? []
    // A configuration only has one side; another shape is the model's own.
    if (height === undefined || height !== width) return config
    return { ...config, data: { ...config.data, imageSize: height } }
  },
  formatConfig: config =>
    formatJson({
      _class_name: className,
      _diffusers_version: DIFFUSERS_VERSION,
      ...scoreSdeConfigJson(config),
    }),
  channels: ({ data }) => ({ inChannels: data.numChannels, outChannels: data.numChannels }),
  pictureSize({ model, data }, asked) {
    const size = asked ?? ([data.imageSize, data.imageSize] as const)
    return checkPictureSize(size, pictureFactor(model), "the model")
  },
  async loadGraph() {
    const { scoreNetworkGraph } = await import("../score-network.ts")
    return (config, size, options) => scoreNetworkGraph(config, { size, ...options })
  },
}
