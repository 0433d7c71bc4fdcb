import { encodeInline } from "../../src/graph/encode.ts"
import { parameterShapes } from "../../src/models/checkpoint.ts"
import { type ScoreNetworkConfig, scoreNetworkGraph } from "../../src/models/score-network.ts"
import fixtures from "../fixtures/sde/golden.json" with { type: "json" }
import { camelCase } from "../models/score-sde/case.ts"
import { sineWeights } from "../sde/sine-weights.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"

/** A folder with the network of score_sde's own runs, 8 × 8 pictures, as a model of the pipeline for its SDE. */
export async function goldenModel(sde: "ve" | "vp"): ReturnType<typeof temporaryFolder> {
  const { model, data } = fixtures.networks[sde]
  const graph = scoreNetworkGraph({ model: camelCase(model), data: camelCase(data) } as ScoreNetworkConfig)
  const chunks: Uint8Array[] = []
  for await (const chunk of encodeInline(graph, sineWeights(parameterShapes(graph)))) {
    chunks.push(Uint8Array.from(chunk))
  }
  const folder = await temporaryFolder()
  const kind = sde === "ve" ? "Ve" : "Vp"
  await writeModel(
    folder.path,
    {
      className: `ScoreSde${kind}Pipeline`,
      schedulerClass: `ScoreSde${kind}Scheduler`,
      scheduler: sde === "ve" ? { sigma_min: 0.01, sigma_max: 50, num_train_timesteps: 1000 } : {},
    },
    { "unet/diffusion_pytorch_model.safetensors": null, "unet/model.onnx": Buffer.concat(chunks) },
  )
  return folder
}
