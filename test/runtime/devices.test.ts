import { describe, expect, test, vi } from "vitest"
import { autoDevices, knownDevices } from "#platform/ort"
import { availableDevices } from "../../src/runtime/available-devices.ts"
import { type ResolvedDevice, resolveDevices } from "../../src/runtime/device.ts"
import { RuntimeError } from "../../src/runtime/errors.ts"
import { OrtExecutor } from "../../src/runtime/ort-executor.ts"
import { createSession } from "../../src/runtime/session.ts"
import { identityModel, onnxModel } from "./onnx-model.ts"

const model = { bytes: identityModel() }
/** A device that no machine has together with the others. */
const foreign = process.platform === "win32" ? "coreml" : "dml"

describe("a choice of devices", () => {
  test("stands for itself, or for the platform's own list", () => {
    expect(resolveDevices("webgpu")).toEqual(["webgpu"])
    expect(resolveDevices("auto")).toEqual(autoDevices)
    expect(resolveDevices(["webgpu", "auto", "cpu"])).toEqual(["webgpu", ...autoDevices])
  })

  test("ends with the CPU and WebAssembly, and leaves WebGPU in Node to those who ask", () => {
    expect(autoDevices.slice(-2)).toEqual(["cpu", "wasm"])
    expect(autoDevices).not.toContain("webgpu")
    expect(knownDevices).toContain("webgpu")
  })

  test("with unknown names or none is refused", () => {
    expect(() => resolveDevices("gpu" as "cpu")).toThrow(/no device "gpu".*auto, cpu, cuda, webgpu/)
    expect(() => resolveDevices([])).toThrow(/empty/)
  })
})

describe("fallback", () => {
  test.each([true, false])("goes to the next device and keeps the reason (worker: %s)", async worker => {
    await using session = await createSession(model, { device: [foreign, "cpu"], worker })
    expect(session.device).toBe("cpu")
    expect(session.attempts).toHaveLength(1)
    const { device, error } = session.attempts[0]!
    expect(device).toBe(foreign)
    expect(error).toBeInstanceOf(RuntimeError)
    expect(error).toMatchObject({ code: "DEVICE_UNAVAILABLE", device: foreign, hint: expect.any(String) })
    const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(3) } })
    expect(y!.data).toEqual(Float32Array.of(3))
  })

  test.each([true, false])("that finds nothing says why for every device (worker: %s)", async worker => {
    const failure = await createSession(model, { device: foreign, worker }).catch(error => error)
    expect(failure).toBeInstanceOf(RuntimeError)
    expect(failure).toMatchObject({
      code: "DEVICE_UNAVAILABLE",
      device: foreign,
      attempts: [{ device: foreign, error: { code: "DEVICE_UNAVAILABLE" } }],
    })
    expect(failure.message).toMatch(
      new RegExp(`^The device ${foreign} is not available: .*use another device\\.$`),
    )
    expect(failure.cause).toBeInstanceOf(Error)
  })

  test("does not hide a broken model behind the next device", async () => {
    const broken = { bytes: new TextEncoder().encode("no model at all, no model at all") }
    await expect(createSession(broken, { device: ["cpu", "wasm"], worker: false })).rejects.toMatchObject({
      code: "MODEL_INVALID",
    })
  })

  test("in `auto` always finds something", async () => {
    await using session = await createSession(model)
    expect(autoDevices).toContain(session.device)
    expect(session.attempts.map(attempt => attempt.device)).toEqual(
      autoDevices.slice(0, autoDevices.indexOf(session.device)),
    )
  })

  test("reaches WebAssembly when the native binary is missing, and only then", async () => {
    const missing = Object.assign(new Error("Cannot find module '../bin/onnxruntime_binding.node'"), {
      code: "MODULE_NOT_FOUND",
    })
    const asked: ResolvedDevice[] = []
    const executor = new OrtExecutor(async device => {
      asked.push(device)
      if (device !== "wasm") throw missing
      return { module: await import("onnxruntime-web"), readsFiles: false }
    })
    const loaded = await executor.load({ source: model, devices: autoDevices })
    expect(loaded.device).toBe("wasm")
    expect(asked).toEqual(autoDevices)
    expect(loaded.attempts.at(-1)).toMatchObject({
      device: "cpu",
      error: {
        code: "DEVICE_UNAVAILABLE",
        cause: missing,
        message: expect.stringContaining("onnxruntime-node"),
      },
    })
    await executor.release(loaded.id)
  })

  test("goes on when an accelerator has too little memory, but not when the CPU has", async () => {
    const failing = async () => {
      const { Tensor, env } = await import("onnxruntime-common")
      const create = () => Promise.reject(new Error("std::bad_alloc"))
      return { module: { Tensor, env, InferenceSession: { create } }, readsFiles: false }
    }
    const load = (devices: ResolvedDevice[]) => new OrtExecutor(failing).load({ source: model, devices })
    await expect(load(["cpu", "wasm"])).rejects.toMatchObject({ code: "OUT_OF_MEMORY", device: "cpu" })
    await expect(load(["webgpu", "cuda"])).rejects.toMatchObject({
      code: "DEVICE_UNAVAILABLE",
      message: expect.stringMatching(/not enough memory on webgpu.*not enough memory on cuda/s),
      attempts: [{ error: { code: "OUT_OF_MEMORY" } }, { error: { code: "OUT_OF_MEMORY" } }],
    })
  })

  test("hears of memory that WebGPU lacked, though ONNX Runtime goes on", async () => {
    vi.stubGlobal(
      "GPUOutOfMemoryError",
      class {
        readonly message = "no room for a buffer"
      },
    )
    const gpu = Object.assign(new EventTarget(), { lost: new Promise<never>(() => {}) })
    const module = await import("onnxruntime-web")
    const create = async () => {
      const session = await module.InferenceSession.create(model.bytes, { executionProviders: ["wasm"] })
      const run: typeof session.run = async (...args: unknown[]) => {
        const error = new GPUOutOfMemoryError("")
        gpu.dispatchEvent(Object.assign(new Event("uncapturederror"), { error }))
        return await session.run(args[0] as { x: never })
      }
      const { inputMetadata, outputMetadata } = session
      return { inputMetadata, outputMetadata, run, release: () => session.release() }
    }
    const executor = new OrtExecutor(async () => ({
      module: { ...module, InferenceSession: { create } as never },
      readsFiles: false,
      gpuDevice: async () => gpu as never,
    }))
    const { id, outputs } = await executor.load({ source: model, devices: ["webgpu"] })
    const feeds = { x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } } as const
    await expect(
      executor.run(
        id,
        feeds,
        outputs.map(({ name }) => name),
      ),
    ).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      device: "webgpu",
      cause: expect.objectContaining({ message: expect.stringContaining("no room for a buffer") }),
    })
    await executor.release(id)
    vi.unstubAllGlobals()
  })
})

test("a model with element types that JavaScript has no array for is refused", async () => {
  // 16 is bfloat16.
  const bytes = onnxModel({
    nodes: [{ op: "Cast", inputs: ["x"], outputs: ["y"], ints: { to: 16 } }],
    inputs: [{ name: "x", dtype: "float32", shape: [1] }],
    outputs: [{ name: "y", dtype: "bfloat16", shape: [1] }],
  })
  await expect(createSession({ bytes }, { device: "cpu", worker: false })).rejects.toMatchObject({
    name: "RuntimeError",
    code: "MODEL_INVALID",
  })
})

test.each([true, false])(
  "availableDevices tells what works, and why the rest does not (worker: %s)",
  async worker => {
    const { available, unavailable } = await availableDevices({ worker })
    expect(available).toEqual(expect.arrayContaining(["cpu", "wasm", "webgpu"]))
    expect([...available, ...unavailable.map(({ device }) => device)].sort()).toEqual(
      [...knownDevices].sort(),
    )
    for (const { error } of unavailable) expect(error.code).toBe("DEVICE_UNAVAILABLE")
  },
)
