import type { GraphBuilderOptions, Value } from "../graph/builder.ts"
import { GraphBuilder } from "../graph/builder.ts"
import type { Graph } from "../graph/types.ts"
import { parameterShapes } from "./checkpoint.ts"
import { type DdpmModelConfig, ddpm } from "./ddpm/network.ts"
import { type FlaxTensor, ModuleNames } from "./module-names.ts"
import { type NcsnModelConfig, ncsn } from "./ncsn/network.ts"
import type { NcsnppModelConfig } from "./ncsnpp/config.ts"
import { ncsnpp } from "./ncsnpp/network.ts"
import type { Ncsnv2ModelConfig } from "./ncsnv2/config.ts"
import { ncsnv2 } from "./ncsnv2/network.ts"
import { networkNames } from "./network-names.ts"
import { checkPictureSize } from "./picture-size.ts"
import { type PictureConfig, pictureFactor } from "./score-network-config.ts"

/** What a score network is built from; a whole configuration of score_sde is one. */
export interface ScoreNetworkConfig {
  readonly model: NcsnppModelConfig | DdpmModelConfig | Ncsnv2ModelConfig | NcsnModelConfig
  readonly data: PictureConfig
}

/** How the graph of a score network is made. */
export interface ScoreNetworkOptions extends GraphBuilderOptions {
  /** Height and width of the pictures. Default: what the configuration says. */
  readonly size?: readonly [height: number, width: number]
}

/**
 * A network of score_sde as a graph: `sample` [batch, C, H, W] and `timestep` [batch], both float32, to `out_sample`
 * [batch, C, H, W]. The label `timestep` is σ for a network with Fourier features; else it is the number of a step or
 * of a noise level.
 *
 * @throws GraphError `GRAPH_SHAPE` where widths, groups and sizes don't fit; InputError for a size that the network
 * can't halve as often as it does.
 */
export function scoreNetworkGraph(config: ScoreNetworkConfig, options: ScoreNetworkOptions = {}): Graph {
  return build(config, options).graph
}

/** A tensor of a network's checkpoint. */
export interface CheckpointTensor {
  /** In a PyTorch checkpoint, without the prefix `module.`. */
  readonly name: string
  readonly shape: readonly number[]
  /** False for the fixed frequencies of Fourier features, which PyTorch's list of averaged weights leaves out. */
  readonly trained: boolean
  /** Where a Flax checkpoint has it. */
  readonly flax: FlaxTensor
}

/**
 * The tensors that a network needs. For `ncsnpp` and `ddpm` they stand in the order of PyTorch's `parameters()`, and the
 * trained ones of them in the order of the list of averaged weights in a checkpoint. The buffer `sigmas` is not among
 * them, since the configuration says the same; nor are the frequencies of a network that isn't told the noise level.
 */
export function checkpointTensors(config: ScoreNetworkConfig): readonly CheckpointTensor[] {
  const { graph, names } = build(config)
  return [...parameterShapes(graph)].map(([name, shape]) => ({
    name,
    shape,
    trained: !name.endsWith(".W") || shape.length > 1,
    flax: names.flax(name, shape),
  }))
}

function build(
  config: ScoreNetworkConfig,
  options: ScoreNetworkOptions = {},
): { readonly graph: Graph; readonly names: ModuleNames } {
  const { imageSize, numChannels } = config.data
  const { size = [imageSize, imageSize] as const, ...rest } = options
  checkPictureSize(size, pictureFactor(config.model), `the network ${config.model.name}`)
  const names = new ModuleNames()
  const builder = new GraphBuilder(config.model.name, rest)
  const sample = builder.input(networkNames.sample, "float32", ["batch", numChannels, ...size])
  const label = builder.input(networkNames.timestep, "float32", ["batch"])
  const graph = builder.build({ [networkNames.output]: network(sample, label, config, names) })
  return { graph, names }
}

function network(x: Value, label: Value, { model, data }: ScoreNetworkConfig, names: ModuleNames): Value {
  switch (model.name) {
    case "ncsnpp":
      return ncsnpp(x, label, { model, data }, names)
    case "ddpm":
      return ddpm(x, label, { model, data }, names)
    case "ncsn":
      return ncsn(x, label, { model, data }, names)
    default:
      return ncsnv2(x, label, { model, data }, names)
  }
}
