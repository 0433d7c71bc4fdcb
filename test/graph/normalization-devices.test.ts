import { expect, test } from "vitest"
import { instanceNormalization } from "../../src/graph/ops/normalization.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { graphOf, irregular, maxDifference, modelOf, runModel } from "./run-graph.ts"

// WebGPU's kernel keeps the epsilon that it was first compiled with, in all sessions of the process.
test("norms with different epsilons, in sessions beside each other on WebGPU, are those of the CPU", async () => {
  const feeds = { x0: irregular([2, 4, 64]), x1: irregular([4], 2), x2: irregular([4], 3) }
  const sessions: Session[] = []
  for (const epsilon of [1e-6, 1e-5, 0.1]) {
    const graph = graphOf(
      [
        ["float32", [2, 4, 64]],
        ["float32", [4]],
        ["float32", [4]],
      ],
      ([x, scale, bias]) => instanceNormalization(x!, scale!, bias!, epsilon),
    )
    const model = await modelOf(graph)
    const session = await createSession(model, { device: "webgpu", worker: false })
    sessions.push(session)
    const [found, expected] = [await session.run(feeds), await runModel(model, feeds)]
    expect(maxDifference(found.y0, expected.y0), `epsilon ${epsilon}`).toBeLessThan(1e-6)
    // In doubles, by the definition.
    const channel = [...irregular([2, 4, 64]).data.subarray(0, 64)]
    const mean = channel.reduce((sum, value) => sum + value, 0) / 64
    const variance = channel.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 64
    const [scale, bias] = [irregular([4], 2).data[0]!, irregular([4], 3).data[0]!]
    const first = ((channel[0]! - mean) / Math.sqrt(variance + epsilon)) * scale + bias
    expect(Number(expected.y0!.data[0])).toBeCloseTo(first, 5)
  }
  for (const session of sessions) await session.dispose()
})
