import { ScoreSdeVePipeline } from "../src/pipelines/score-sde-ve.ts"
import type { Measurement } from "./figure.ts"
import { emoji32, ncsnpp256 } from "./models.ts"
import { threads } from "./pairs.ts"

const name = "loop.gap.ms"
const calls = 5
const cases = [
  { model: emoji32, steps: 50 },
  { model: ncsnpp256, steps: 2 },
]

/** The longest time without a turn of the event loop while pictures of 32 and of 256 pixels are sampled. */
export const eventLoop: Measurement = {
  figures: [{ name, unit: "ms", goal: 50 }],
  async *run() {
    const longest: number[] = []
    for (const { model, steps } of cases) {
      await using pipe = await ScoreSdeVePipeline.fromPretrained(model.folder, { device: "cpu", threads })
      for (let i = 0; i < calls; i++) {
        const gap = await longestGap(() => pipe({ seed: i, numInferenceSteps: steps }))
        longest[i] = Math.max(longest[i] ?? 0, gap)
      }
    }
    yield { name, values: longest }
  },
}

async function longestGap(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const tick = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(tick, 1)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  tick()
  return longest
}
