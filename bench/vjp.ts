import { scoreSdeConfig } from "../src/configs/configs.ts"
import type { ScoreSdeConfigName } from "../src/configs/names.ts"
import { foldParameters } from "../src/graph/optimize/fold-parameters.ts"
import type { Graph } from "../src/graph/types.ts"
import { parameterShapes } from "../src/models/checkpoint.ts"
import { scoreNetworkGraph } from "../src/models/score-network.ts"
import { vjpGraph } from "../src/models/vjp-graph.ts"
import { createSession } from "../src/runtime/session.ts"
import { irregular, modelOf } from "../test/graph/run-graph.ts"
import { hashWeights } from "../test/models/score-sde/case.ts"
import type { Measurement } from "./figure.ts"
import { pairRatios, type Timed, threads, timed } from "./pairs.ts"

const cases: readonly {
  readonly name: string
  readonly config: ScoreSdeConfigName
  readonly label: number
}[] = [
  { name: "vjp.ncsnpp-cifar.vs-forward", config: "ve/cifar10_ncsnpp_continuous", label: 1.5 },
  { name: "vjp.ddpm-cifar.vs-forward", config: "vp/ddpm/cifar10", label: 500 },
]
const goal = 3.5

/** Time of a network's output and vector–Jacobian product together, divided by that of its output alone, batch 1. */
export const vjps: Measurement = {
  figures: cases.map(({ name }) => ({ name, unit: "×", goal })),
  async *run(wanted) {
    for (const { name, config, label } of cases) {
      if (!wanted.has(name)) continue
      const { model, data } = scoreSdeConfig(config)
      const graph = scoreNetworkGraph({ model, data })
      const shape = [1, data.numChannels, data.imageSize, data.imageSize]
      const feeds = { sample: irregular(shape), timestep: irregular([1]) }
      feeds.timestep.data[0] = label
      await using forward = await open(graph, foldParameters(graph))
      await using both = await open(graph, vjpGraph(graph))
      const cotangent = both.inputs.find(input => !(input.name in feeds))!.name
      const output: Timed = timed(() => forward.run(feeds))
      const vjp: Timed = timed(() => both.run({ ...feeds, [cotangent]: irregular(shape, 2) }))
      yield { name, values: await pairRatios(vjp, output, { pairs: 7, turn: 2 }) }
    }
  },
}

async function open(network: Graph, graph: Graph) {
  const source = await modelOf(graph, hashWeights(parameterShapes(network)))
  return await createSession(source, { device: "cpu", threads })
}
