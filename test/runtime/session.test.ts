import { afterAll, describe, expect, test, vi } from "vitest"
import { AbortError } from "../../src/errors.ts"
import { createSession, type Session } from "../../src/runtime/session.ts"
import type { DType, Tensor } from "../../src/tensor.ts"
import { denoiserFeeds, denoiserModel, denoiserOutput, heavyModel, identityModel } from "./onnx-model.ts"

const places = [
  { device: "cpu", worker: false },
  { device: "cpu", worker: true },
  { device: "wasm", worker: false },
  { device: "wasm", worker: true },
] as const

const examples: { [D in Exclude<DType, "bfloat16">]: Tensor<D> } = {
  float32: { dtype: "float32", shape: [2, 2], data: Float32Array.of(1.5, -0, Infinity, 1e-40) },
  // 1, −2, 65504, the smallest subnormal.
  float16: { dtype: "float16", shape: [2, 2], data: Uint16Array.of(0x3c00, 0xc000, 0x7bff, 1) },
  float64: { dtype: "float64", shape: [2, 2], data: Float64Array.of(Math.PI, -1, 0, 1e300) },
  int64: { dtype: "int64", shape: [2, 2], data: BigInt64Array.of(0n, -1n, 2n ** 62n, 7n) },
  int32: { dtype: "int32", shape: [2, 2], data: Int32Array.of(0, -1, 2 ** 30, 7) },
  int16: { dtype: "int16", shape: [2, 2], data: Int16Array.of(0, -1, 2 ** 14, 7) },
  int8: { dtype: "int8", shape: [2, 2], data: Int8Array.of(0, -1, 127, 7) },
  uint8: { dtype: "uint8", shape: [2, 2], data: Uint8Array.of(0, 1, 255, 7) },
  bool: { dtype: "bool", shape: [2, 2], data: Uint8Array.of(0, 1, 1, 0) },
}

describe.each(places)("on $device, worker: $worker", place => {
  let shared: Promise<Session> | undefined
  const session = (): Promise<Session> => {
    shared ??= createSession({ bytes: denoiserModel() }, place)
    return shared
  }
  afterAll(async () => (await shared)?.dispose())

  test("describes the model's inputs and outputs", async () => {
    const { device, attempts, inputs, outputs } = await session()
    expect({ device, attempts, inputs, outputs }).toEqual({
      device: place.device,
      attempts: [],
      inputs: [
        { name: "sample", dtype: "float32", shape: ["batch", 3, 8, 8] },
        { name: "timestep", dtype: "int64", shape: ["batch"] },
      ],
      outputs: [
        { name: "out_sample", dtype: "float32", shape: ["batch", 3, 8, 8] },
        { name: "twice", dtype: "float32", shape: ["batch", 3, 8, 8] },
      ],
    })
  })

  test("computes", async () => {
    const result = await (await session()).run(denoiserFeeds(2))
    expect(Object.keys(result)).toEqual(["out_sample", "twice"])
    const { dtype, shape, data } = result.out_sample!
    expect({ dtype, shape }).toEqual({ dtype: "float32", shape: [2, 3, 8, 8] })
    const expected = denoiserOutput(2)
    const errors = Array.from(data as Float32Array, (value, i) => Math.abs(value - expected[i]!))
    expect(Math.max(...errors)).toBeLessThan(1e-6)
  })

  test("computes only the outputs that are wanted", async () => {
    const result = await (await session()).run(denoiserFeeds(1), { outputs: ["twice"] })
    expect(Object.keys(result)).toEqual(["twice"])
  })

  test("leaves the fed arrays whole, views of larger buffers too", async () => {
    const feeds = denoiserFeeds(1)
    const padded = new Float32Array(feeds.sample.data.length + 10).fill(Number.NaN)
    padded.set(feeds.sample.data as Float32Array, 5)
    const view = { ...feeds.sample, data: padded.subarray(5, -5) }
    const one = await (await session()).run(feeds)
    const two = await (await session()).run({ ...feeds, sample: view })
    expect(two).toEqual(one)
    expect(feeds).toEqual(denoiserFeeds(1))
    expect(view.data).toEqual(feeds.sample.data)
  })

  test("gives new arrays for every run", async () => {
    const first = await (await session()).run(denoiserFeeds(1))
    const kept = structuredClone(first)
    const { sample, timestep } = denoiserFeeds(1)
    const other = { sample: { ...sample, data: new Float32Array(sample.data.length) }, timestep }
    const second = await (await session()).run(other)
    expect(second).not.toEqual(first)
    expect(first).toEqual(kept)
  })

  test("answers overlapping runs each with its own result, a failing one included", async () => {
    const feeds = [1, 2, 3, 4].map(batch => denoiserFeeds(batch))
    const good = await session()
    const odd = {
      ...denoiserFeeds(2),
      timestep: { dtype: "int64", shape: [3], data: BigInt64Array.of(0n, 0n, 0n) },
    } as const
    const runs = [...feeds.slice(0, 2), odd, ...feeds.slice(2)].map(feed => good.run(feed))
    const results = await Promise.allSettled(runs)
    expect(results.map(r => (r.status === "fulfilled" ? r.value.twice!.shape[0] : r.reason.code))).toEqual([
      1,
      2,
      "RUN_FAILED",
      3,
      4,
    ])
  })

  test.each(Object.values(examples))("carries $dtype there and back", async tensor => {
    await using echo = await createSession({ bytes: identityModel(tensor.dtype, ["a", 2]) }, place)
    expect(echo.inputs[0]!.dtype).toBe(tensor.dtype)
    const { y } = await echo.run({ x: tensor })
    expect(y).toEqual(tensor)
    expect(y!.data.constructor).toBe(tensor.data.constructor)
  })

  test("takes sizes of zero", async () => {
    await using echo = await createSession({ bytes: identityModel("float32", ["a", 2]) }, place)
    const empty = { dtype: "float32", shape: [0, 2], data: new Float32Array() } as const
    expect((await echo.run({ x: empty })).y).toEqual(empty)
  })

  test("can be disposed of twice, and then says so", async () => {
    const short = await createSession({ bytes: identityModel() }, place)
    const run = short.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(4) } })
    await Promise.all([short.dispose(), short.dispose()])
    await short.dispose()
    expect((await run).y!.data).toEqual(Float32Array.of(4))
    await expect(short.run({})).rejects.toMatchObject({ name: "RuntimeError", code: "DISPOSED" })
  })

  test("stops when it is told to", async () => {
    const reason = new Error("enough")
    await expect(
      createSession({ bytes: identityModel() }, { ...place, signal: AbortSignal.abort(reason) }),
    ).rejects.toMatchObject({ code: "ABORTED", cause: reason })
    await expect(
      (await session()).run(denoiserFeeds(1), { signal: AbortSignal.abort(reason) }),
    ).rejects.toBeInstanceOf(AbortError)
    const during = new AbortController()
    const loading = createSession({ bytes: identityModel() }, { ...place, signal: during.signal })
    during.abort()
    await expect(loading).rejects.toBeInstanceOf(AbortError)
    await expect((await session()).run(denoiserFeeds(1))).resolves.toBeDefined()
  })
})

test("an aborted run in a worker ends at once, not when ONNX Runtime is ready", async () => {
  await using session = await createSession({ bytes: heavyModel(100) })
  const x = { dtype: "float32", shape: [512, 512], data: new Float32Array(512 * 512) } as const
  const controller = new AbortController()
  let finished = false
  const all = session.run({ x }).then(() => (finished = true))
  const run = session.run({ x }, { signal: controller.signal })
  controller.abort()
  await expect(run).rejects.toBeInstanceOf(AbortError)
  expect(finished).toBe(false)
  await all
})

test("an injected ONNX Runtime is used, and never moved to a worker", async () => {
  const ort = await import("onnxruntime-web")
  const create = vi.spyOn(ort.InferenceSession, "create")
  await using session = await createSession({ bytes: identityModel() }, { ort, device: "wasm" })
  expect(session.device).toBe("wasm")
  expect(create).toHaveBeenCalledOnce()
  create.mockRestore()
})

test.each([true, false])("options of ONNX Runtime are passed on (worker: %s)", async worker => {
  const options = {
    worker,
    device: "cpu",
    threads: 1,
    sessionOptions: { graphOptimizationLevel: "disabled" },
  } as const
  await using session = await createSession({ bytes: denoiserModel() }, options)
  expect((await session.run(denoiserFeeds(1))).twice!.shape).toEqual([1, 3, 8, 8])
})
