import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { toFloat16 } from "../../../src/graph/optimize/to-float16.ts"
import { createSession, type Session } from "../../../src/runtime/session.ts"
import { graphOf as anyGraph, modelOf } from "../../graph/run-graph.ts"
import { errorsOf, graphOf, type NetworkCase, readCases, runCase } from "./case.ts"

// The same numbers come out on other devices than the CPU; one network for each part that no other has.
const names = [
  "ncsnpp base",
  "ncsnpp elu",
  "ncsnpp three levels, progressive residual",
  "ncsnpp resblock ddpm, three levels, cat, residual",
  "ddpm by level",
  "ncsnv2_64",
  "ncsnv2_64 as in pytorch",
  "ncsnv2_64 VarianceNorm",
  "ncsn",
  "wideresnet",
]
const networks = readCases<NetworkCase>("networks")
const cases = names.map(name => networks.find(one => one.name === name)!)

describe("WebAssembly", () => {
  test.each(cases)("$name", async one => {
    const { data } = await runCase(graphOf(one), one, "wasm")
    expect(Math.max(...errorsOf(one, data))).toBeLessThan(2e-5)
  })
})

// On SwiftShader (test/setup/swiftshader.ts), where shaders take half a minute to compile, and are forgotten with the last
// session.
describe("WebGPU", () => {
  let kept: Session
  beforeAll(async () => {
    const graph = anyGraph([["float32", [1]]], ([x]) => x!)
    kept = await createSession(await modelOf(graph), { device: "webgpu", worker: false })
  })
  afterAll(() => kept.dispose())

  const few = cases.filter(({ name }) => ["ncsnpp base", "ncsnv2_64", "wideresnet"].includes(name))
  test.each(few)("$name", { timeout: 300_000 }, async one => {
    const { data } = await runCase(graphOf(one), one, "webgpu")
    // Drivers round sines and exponentials in their own ways.
    expect(Math.max(...errorsOf(one, data))).toBeLessThan(1e-4)
  })
})

describe("float16", () => {
  test.each(cases.filter(({ name }) => name !== "wideresnet"))("$name", async one => {
    const { data } = await runCase(toFloat16(graphOf(one, { precision: "float16" })), one)
    expect(Math.max(...errorsOf(one, data))).toBeLessThan(1e-2)
  })
})
