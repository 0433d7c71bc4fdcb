import { encodeWithExternalData } from "../../graph/encode.ts"
import { fillWeights, weightLayout } from "../../graph/weight-layout.ts"
import type { ModelSource } from "../../runtime/session.ts"
import type { WeightsFile } from "../../weights/weights-file.ts"
import { finiteWeights } from "../checkpoint.ts"
import { ModuleNames } from "../module-names.ts"
import { logProbGraph } from "./log-prob-graph.ts"
import type { WideResnetConfig } from "./network.ts"

/** The classifier with its gradient, as a model that a session can load. */
export async function wideResnetModel(
  config: WideResnetConfig,
  weights: WeightsFile,
  signal: AbortSignal | undefined,
): Promise<ModelSource> {
  const graph = logProbGraph(config, new ModuleNames())
  const layout = weightLayout(graph)
  const data = await fillWeights(layout, finiteWeights(weights, signal), signal)
  return {
    bytes: encodeWithExternalData(graph, "weights", layout),
    externalData: [{ path: "weights", data }],
  }
}
