import { expect, test } from "vitest"
import { readConfig } from "../../src/config/config.ts"
import { ScoreSdeError } from "../../src/errors.ts"
import { labelTensor } from "../../src/models/class-labels.ts"
import { timestepTensor } from "../../src/models/feeds.ts"
import { networkNames } from "../../src/models/network-names.ts"
import { unet2dConfigSpec } from "../../src/models/unet2d/config.ts"
import { unet2dGraph } from "../../src/models/unet2d/network.ts"
import { runGraph } from "../graph/run-graph.ts"
import { configOf, feedsFor, loadFixture, type NetworkCase, weightsFor } from "./unet2d-fixtures.ts"

// What Diffusers refuses is refused here, with an error that programs can tell and people can read.

/** Does all that an evaluation takes; the checks of the configuration are optional. */
async function evaluate(one: NetworkCase, { checked }: { readonly checked: boolean }): Promise<void> {
  const config = checked ? readConfig(unet2dConfigSpec, one.config) : configOf(one.config)
  const graph = unet2dGraph(config, one.size)
  const inputOf = (name: string) => graph.inputs.find(input => input.name === name)
  const { dtype } = inputOf(networkNames.timestep)!
  timestepTensor(one.timestep, one.batch, dtype, 1)
  const feeds = feedsFor(graph, one)
  const labels = inputOf(networkNames.classLabels)
  if (labels) labelTensor(feeds[networkNames.classLabels], { ...labels, numClasses: undefined }, one.batch)
  await runGraph(graph, feeds, weightsFor(graph))
}

async function refusal(one: NetworkCase, options: { readonly checked: boolean }): Promise<ScoreSdeError> {
  const outcome = await evaluate(one, options).catch((error: unknown) => error)
  if (outcome instanceof ScoreSdeError) return outcome
  throw outcome ?? new Error(`"${one.name}" runs.`)
}

const cases = loadFixture("refused").cases.map(one =>
  // A tensor of floats is refused for its type, but JavaScript's 13.0 is 13: only a fraction can be told from it.
  one.name === "learned time, float timestep" ? { ...one, timestep: [13.5] } : one,
)

test.each(cases.map(one => [one.name, one] as const))("%s", async (_, one) => {
  const error = await refusal(one, { checked: true })
  expect(error.code).toMatch(/^[A-Z_]+$/)
  expect(error.message).toMatch(/[.!)]$/)
})

// Blocks that don't fit together, which the network finds by itself where nobody has checked the configuration.
test.each([
  ["unknown down block", "downBlockTypes must be made of DownBlock2D"],
  ["unknown up block", "upBlockTypes must be made of UpBlock2D"],
  ["KDownBlock2D, UpBlock2D", "all K blocks or none"],
  ["DownBlock2D, KUpBlock2D", "all K blocks or none"],
  ["plain blocks around k blocks", "all K blocks or none"],
  ["plain block above a Skip block, down", "Skip blocks from the first on"],
  ["plain block above a Skip block, up", "Skip blocks from the first of them on"],
  ["plain block between Skip blocks, up", "Skip blocks from the first of them on"],
  ["Skip blocks with 4 channels", "inChannels must be 3"],
  ["Skip blocks with 3 channels in, 6 out", "outChannels must be 3"],
  ["Skip blocks with 3 channels in, 1 out", "outChannels must be 3"],
  ["norm_num_groups null with plain blocks", "normNumGroups must be a number"],
  ["norm_num_groups that doesn't divide", "down_blocks.0.resnets.0.norm1: 8 channels"],
  ["attention Skip block with 16 channels", "down_blocks.1.attentions.0.group_norm: 16 channels"],
  ["k blocks, 16 channels", "down_blocks.0.resnets.0.norm1: 16 channels"],
  [
    "attention_head_dim above the channels",
    "attentions.0: 16 channels are too few for an attention head of 32",
  ],
  ["size that the levels don't divide", "Concat in up_blocks.1"],
  ["unknown act_fn", 'no activation function "tanh"'],
])("unchecked: %s", async (name, words) => {
  const one = cases.find(refused => refused.name === name)!
  const error = await refusal(one, { checked: false })
  expect(error).toMatchObject({ name: "GraphError", message: expect.stringContaining(words) })
})
