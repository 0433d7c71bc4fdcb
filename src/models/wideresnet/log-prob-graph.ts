import { GraphBuilder } from "../../graph/builder.ts"
import { exp, log, sub } from "../../graph/ops/elementwise.ts"
import { reduceMax, reduceSum } from "../../graph/ops/reduction.ts"
import type { Graph } from "../../graph/types.ts"
import type { ModuleNames } from "../module-names.ts"
import { vjpGraph } from "../vjp-graph.ts"
import { type WideResnetConfig, wideResnet, wideResnetNames } from "./network.ts"

/**
 * log p(y | x, σ) for all classes, [batch, classes], and its vector–Jacobian product: with a 1 at the label of each
 * picture as the cotangent, ∇ₓ log p(y | x, σ).
 */
export function logProbGraph(config: WideResnetConfig, names: ModuleNames): Graph {
  const { imageSize: side, numChannels } = config
  const builder = new GraphBuilder("wideresnet")
  const x = builder.input(wideResnetNames.sample, "float32", ["batch", numChannels, side, side])
  const sigma = builder.input(wideResnetNames.sigma, "float32", ["batch"])
  const logits = wideResnet(x, sigma, config, names)
  const shifted = sub(logits, reduceMax(logits, [1]))
  return vjpGraph(builder.build({ log_probs: sub(shifted, log(reduceSum(exp(shifted), [1]))) }))
}
