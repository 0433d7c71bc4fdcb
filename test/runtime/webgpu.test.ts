// WebGPU in Node, on SwiftShader (test/setup/swiftshader.ts). Compiling its shaders takes seconds and is undone with the
// last session, so one session stays open for all tests.
import { afterAll, beforeAll, expect, test } from "vitest"
import { createSession, type Session } from "../../src/runtime/session.ts"
import { denoiserFeeds, denoiserModel, denoiserOutput, onnxModel } from "./onnx-model.ts"

let session: Session
beforeAll(async () => {
  session = await createSession({ bytes: denoiserModel() }, { device: "webgpu" })
})
afterAll(() => session.dispose())

test("computes what the CPU computes", async () => {
  expect(session.device).toBe("webgpu")
  const expected = denoiserOutput(2)
  const { out_sample } = await session.run(denoiserFeeds(2))
  const errors = Array.from(out_sample!.data as Float32Array, (value, i) => Math.abs(value - expected[i]!))
  expect(Math.max(...errors)).toBeLessThan(2e-6)
})

test("overlapping runs in one session and in two", async () => {
  await using other = await createSession({ bytes: denoiserModel(4) }, { device: "webgpu" })
  const results = await Promise.all([
    session.run(denoiserFeeds(1)),
    other.run(denoiserFeeds(1, 4)),
    session.run(denoiserFeeds(1)),
  ])
  expect(results[2]).toEqual(results[0])
  expect(results[1]!.out_sample!.shape).toEqual([1, 3, 4, 4])
})

test("16-bit floats where the adapter has none are refused with the way out", async () => {
  const bytes = onnxModel({
    nodes: [{ op: "Add", inputs: ["x", "x"], outputs: ["y"] }],
    inputs: [{ name: "x", dtype: "float16", shape: ["n"] }],
    outputs: [{ name: "y", dtype: "float16", shape: ["n"] }],
  })
  const x = { dtype: "float16", shape: [1], data: Uint16Array.of(0x3c00) } as const
  const run = async () => {
    await using half = await createSession({ bytes }, { device: "webgpu" })
    return await half.run({ x })
  }
  const refusal = await run().then(
    ({ y }) => y!.data,
    error => error,
  )
  // Real adapters have them: 1 + 1 = 2.
  if (refusal instanceof Uint16Array) expect(refusal).toEqual(Uint16Array.of(0x4000))
  else
    expect(refusal).toMatchObject({
      code: "DEVICE_UNAVAILABLE",
      device: "webgpu",
      hint: expect.stringContaining("fp32"),
    })
})
