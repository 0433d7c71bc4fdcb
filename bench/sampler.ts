import type { UNet2DModel } from "../src/models/unet2d/model.ts"
import { ScoreSdeVePipeline } from "../src/pipelines/score-sde-ve.ts"
import type { Measurement } from "./figure.ts"
import { emoji32, ncsnpp256 } from "./models.ts"
import { threads } from "./pairs.ts"

const cases = [
  { name: "sampler.32.overhead", model: emoji32, steps: 50, calls: 9, goal: 5 },
  { name: "sampler.256.overhead", model: ncsnpp256, steps: 2, calls: 5, goal: 1 },
]

/** The share of a VE pipeline's time, from the call to the pictures, that is not spent in evaluating the network. */
export const sampler: Measurement = {
  figures: cases.map(({ name, goal }) => ({ name, unit: "%", goal })),
  async *run(wanted) {
    for (const { name, model, steps, calls } of cases) {
      if (!wanted.has(name)) continue
      await using pipe = await ScoreSdeVePipeline.fromPretrained(model.folder, { device: "cpu", threads })
      const inNetwork = stopwatch(pipe.unet)
      const values: number[] = []
      for (let i = 0; i <= calls; i++) {
        const before = inNetwork()
        const start = performance.now()
        await pipe({ seed: i, numInferenceSteps: steps })
        const total = performance.now() - start
        if (i > 0) values.push(100 * (1 - (inNetwork() - before) / total))
      }
      yield { name, values }
    }
  },
}

/** Gives the milliseconds that the network's evaluations have taken so far. */
function stopwatch(unet: UNet2DModel): () => number {
  const forward = unet.forward.bind(unet)
  let total = 0
  unet.forward = async (...args) => {
    const start = performance.now()
    const output = await forward(...args)
    total += performance.now() - start
    return output
  }
  return () => total
}
