import { describe, expect, test } from "vitest"
import { parameterShapes } from "../../../src/models/checkpoint.ts"
import { errorsOf, graphOf, type NetworkCase, readCases, runCase, tensorsHash } from "./case.ts"

// Of the largest value. The networks' own rounding in float32 is about 3e-6.
const tolerance = 2e-5

const networks = readCases<NetworkCase>("networks")

describe.each([
  ["the original's networks", readCases<NetworkCase>("original")],
  ["networks for every option, against plain PyTorch", networks],
])("%s", (_, cases) => {
  test.each(cases)("$name", async one => {
    const graph = graphOf(one)
    const shapes = parameterShapes(graph)
    expect(shapes.size).toBe(one.tensors)
    if (one.tensorsHash) expect(tensorsHash(shapes)).toBe(one.tensorsHash)
    const { shape, data } = await runCase(graph, one)
    expect(shape).toEqual(one.shape)
    expect(Math.max(...errorsOf(one, data))).toBeLessThan(tolerance)
  })
})

test("the division by a level's σ drops the fraction of the level", async () => {
  const level = networks.find(({ name }) => name === "ncsnv2_64")!
  const whole = await runCase(graphOf(level), level)
  const fractional = await runCase(graphOf(level), { ...level, labels: [100.9, 7.4] })
  expect(fractional.data).toEqual(whole.data)
})
