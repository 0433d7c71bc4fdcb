import { join } from "node:path"
import { UNet2DModel } from "../src/models/unet2d/model.ts"
import { TorchGenerator } from "../src/random/torch-generator.ts"
import { Diffusers, type DiffusersMode } from "./diffusers.ts"
import type { Figure, Measurement } from "./figure.ts"
import { type BenchModel, benchModels } from "./models.ts"
import { pairRatios, type Timed, threads, timed } from "./pairs.ts"

const modes: readonly (readonly [ending: string, mode: DiffusersMode])[] = [
  ["", "fp32"],
  ["-channels-last", "fp32-channels-last"],
  ["-bf16", "bf16-channels-last"],
]

const goals: Readonly<Record<string, number>> = {
  "unet.emoji-32.vs-diffusers": 0.25,
  "unet.ddpm-cifar10-32.vs-diffusers": 0.55,
  "unet.ncsnpp-256.vs-diffusers": 0.47,
}

/** Time of one evaluation of the network, batch 1, divided by Diffusers'. */
export const networks: Measurement = {
  figures: benchModels.flatMap(model => modes.map(([ending]) => figure(model, ending))),
  async *run(wanted) {
    await using diffusers = await Diffusers.start()
    for (const model of benchModels) {
      const wantedModes = modes.filter(([ending]) => wanted.has(figure(model, ending).name))
      if (wantedModes.length === 0) continue
      const folder = join(model.folder, "unet")
      await using unet = await UNet2DModel.fromPretrained(folder, { device: "cpu", threads })
      for (const [ending, mode] of wantedModes) {
        await diffusers.load(folder, mode)
        const theirs: Timed = count => diffusers.forward(folder, mode, model.timestep, count)
        const values = await pairRatios(evaluations(unet, model), theirs, model)
        await diffusers.unload(folder, mode)
        yield { name: figure(model, ending).name, values }
      }
    }
  },
}

function figure({ name }: BenchModel, ending: string): Figure {
  const full = `unet.${name}.vs-diffusers${ending}`
  const goal = goals[full]
  return { name: full, unit: "×", ...(goal !== undefined && { goal }) }
}

/** Evaluations of the network on standard normal noise, as a caller of the library has them. */
export function evaluations(unet: UNet2DModel, { timestep }: BenchModel): Timed {
  const sample = new TorchGenerator(0).randn([1, unet.config.inChannels, ...unet.size])
  return timed(() => unet.forward(sample, timestep))
}
