import { afterAll, beforeAll, expect, test } from "vitest"
import { waves } from "../../src/models/waves.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { graphOf, maxDifference, modelOf } from "../graph/run-graph.ts"

// From thousandths to the largest angle of a time step, and of a Fourier feature four deviations out.
const angles = Float32Array.from({ length: 4000 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 1e-3 * 1.0039 ** i)
const feeds = { x0: { dtype: "float32", shape: [4, 1000], data: angles } } as const

const graph = graphOf([["float32", [4, 1000]]], ([x]) => [waves(x!), waves(x!, "cos")])
let onCpu: Session
let onGpu: Session
beforeAll(async () => {
  const model = await modelOf(graph)
  onCpu = await createSession(model, { device: "cpu", worker: false })
  onGpu = await createSession(model, { device: "webgpu", worker: false })
})
afterAll(async () => {
  await onCpu.dispose()
  await onGpu.dispose()
})

test("are the sines and cosines of their angles", async () => {
  const { y0, y1 } = await onCpu.run(feeds)
  for (let n = 0; n < 4; n++) {
    for (let k = 0; k < 1000; k++) {
      const angle = angles[n * 1000 + k]!
      const [sine, cosine] = [Number(y0!.data[n * 2000 + k]), Number(y0!.data[n * 2000 + 1000 + k])]
      expect(Math.abs(sine - Math.sin(angle)), `sin ${angle}`).toBeLessThan(1e-6)
      expect(Math.abs(cosine - Math.cos(angle)), `cos ${angle}`).toBeLessThan(1e-6)
      expect(Number(y1!.data[n * 2000 + k])).toBe(cosine)
    }
  }
})

test("are the same on WebGPU", async () => {
  const [expected, found] = [await onCpu.run(feeds), await onGpu.run(feeds)]
  expect(maxDifference(found.y0, expected.y0)).toBeLessThan(1e-6)
})
