import type { InferenceSession } from "onnxruntime-common"
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
})

describe("a GPU device of our own", () => {
  const feeds = { x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } } as const

  /** A made-up device, and an executor whose sessions for it compute on WebAssembly; `disturb` comes before each call. */
  function onMadeUpDevice(
    disturb: (call: "create" | "run" | "release", gpu: MadeUpGpu) => void | Promise<void>,
  ) {
    const gpus: MadeUpGpu[] = []
    const load = async () => {
      const module = await import("onnxruntime-web")
      const create = async (bytes: Uint8Array, options: InferenceSession.SessionOptions) => {
        const [provider] = options.executionProviders!
        const session = await module.InferenceSession.create(bytes, { executionProviders: ["wasm"] })
        if (typeof provider === "string") return session
        const { device } = provider as unknown as { readonly device: MadeUpGpu }
        await disturb("create", device)
        const run = async (feeds: { readonly x: never }) => {
          await disturb("run", device)
          return await session.run(feeds)
        }
        const { inputMetadata, outputMetadata } = session
        const release = async () => {
          await disturb("release", device)
          await session.release()
        }
        return { inputMetadata, outputMetadata, run, release }
      }
      const requestGpu = async (): Promise<never> => {
        gpus.push(new MadeUpGpu())
        return gpus.at(-1) as never
      }
      return { module: { ...module, InferenceSession: { create } as never }, readsFiles: false, requestGpu }
    }
    return { executor: new OrtExecutor(load), gpus }
  }

  test("lacks memory for the weights: the next device", async () => {
    const { executor, gpus } = onMadeUpDevice((call, gpu) => {
      if (call === "create") gpu.fault = { message: "no room" }
    })
    const { device, attempts } = await executor.load({ source: model, devices: ["webgpu", "wasm"] })
    expect(device).toBe("wasm")
    expect(attempts).toMatchObject([
      { device: "webgpu", error: { code: "OUT_OF_MEMORY", cause: { message: "out of memory: no room" } } },
    ])
    expect(gpus.map(gpu => gpu.destroyed)).toEqual([true])
  })

  test("lacks memory for a run, though ONNX Runtime goes on", async () => {
    const { executor } = onMadeUpDevice((call, gpu) => {
      if (call === "run") gpu.fault = { message: "no room" }
    })
    const { id } = await executor.load({ source: model, devices: ["webgpu"] })
    await expect(executor.run(id, feeds, ["y"])).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      device: "webgpu",
    })
  })

  test("is lost while a model loads: the next device, and a new one for whom asks later", async () => {
    let crashes = true
    const { executor, gpus } = onMadeUpDevice((call, gpu) => {
      if (call !== "create" || !crashes) return
      gpu.lose()
      throw new Error("Failed to create a compute pipeline.")
    })
    const request = { source: model, devices: ["webgpu", "wasm"] } as const
    const first = await executor.load(request)
    expect(first.device).toBe("wasm")
    expect(first.attempts).toMatchObject([{ device: "webgpu", error: { code: "DEVICE_LOST" } }])
    await expect(executor.load({ ...request, devices: ["webgpu"] })).rejects.toMatchObject({
      code: "DEVICE_LOST",
      attempts: [{ device: "webgpu" }],
    })
    crashes = false
    expect(await executor.load(request)).toMatchObject({ device: "webgpu", attempts: [] })
    expect(gpus).toHaveLength(3)
  })

  test("is lost with some models, and not with others", async () => {
    const { executor, gpus } = onMadeUpDevice(() => {})
    const [onGpu, onCpu] = [
      await executor.load({ source: model, devices: ["webgpu"] }),
      await executor.load({ source: model, devices: ["wasm"] }),
    ]
    gpus[0]!.lose()
    await expect(executor.run(onGpu.id, feeds, ["y"])).rejects.toMatchObject({ code: "DEVICE_LOST" })
    await expect(executor.perform(onGpu.gpu!, [])).rejects.toMatchObject({ code: "DEVICE_LOST" })
    expect((await executor.run(onCpu.id, feeds, ["y"])).y!.data).toEqual(Float32Array.of(1))
    const next = await executor.load({ source: model, devices: ["webgpu"] })
    expect(next.gpu).not.toBe(onGpu.gpu)
    expect((await executor.run(next.id, feeds, ["y"])).y!.data).toEqual(Float32Array.of(1))
    for (const { id } of [onGpu, next]) await executor.release(id)
    expect(gpus.map(gpu => gpu.destroyed)).toEqual([true, true])
  })

  test.each(["run", "release"])(
    "takes along an ONNX Runtime that doesn't come back from it: %s",
    async stuck => {
      const { executor, gpus } = onMadeUpDevice(call => (call === stuck ? new Promise(() => {}) : undefined))
      const { id } = await executor.load({ source: model, devices: ["webgpu"] })
      const heard = vi.fn()
      executor.listenForEnd(heard)
      vi.useFakeTimers()
      try {
        const call = stuck === "run" ? executor.run(id, feeds, ["y"]) : executor.release(id)
        const ended = call.catch(error => error)
        gpus[0]!.lose()
        await vi.advanceTimersByTimeAsync(60_000)
        if (stuck === "run") expect(await ended).toMatchObject({ code: "DEVICE_LOST" })
        else expect(await ended).toBeUndefined()
      } finally {
        vi.useRealTimers()
      }
      expect(heard).toHaveBeenCalledOnce()
      await expect(executor.load({ source: model, devices: ["wasm"] })).rejects.toMatchObject({
        code: "DEVICE_LOST",
        hint: expect.stringMatching(/reloading the page.*worker: false/),
      })
    },
  )
})

test("a device that ONNX Runtime made itself is lost for good: from then on the next, or an error that says what to do", async () => {
  const { Tensor, env } = await import("onnxruntime-common")
  const web = await import("onnxruntime-web")
  const create = async (bytes: Uint8Array, options: InferenceSession.SessionOptions) => {
    if (options.executionProviders?.[0] !== "webgpu") return web.InferenceSession.create(bytes, options)
    throw new Error("A valid external Instance reference no longer exists.")
  }
  const ort = { Tensor, env, InferenceSession: { create } as never }
  await using session = await createSession(model, { ort, device: ["webgpu", "wasm"] })
  expect(session.device).toBe("wasm")
  expect(session.attempts).toMatchObject([{ device: "webgpu", error: { code: "DEVICE_LOST" } }])
  await using next = await createSession(model, { ort, device: ["webgpu", "wasm"] })
  const reason = { code: "DEVICE_LOST", hint: expect.stringMatching(/reloading the page.*worker/) }
  expect(next).toMatchObject({ device: "wasm", attempts: [{ device: "webgpu", error: reason }] })
  await expect(createSession(model, { ort, device: "webgpu" })).rejects.toMatchObject(reason)
})

/** As much of a `GPUDevice` as is asked of it. */
class MadeUpGpu {
  /** What the next error scope has caught. */
  fault: { readonly message: string } | null = null
  destroyed = false
  lose: () => void = () => {}
  readonly lost: Promise<{ readonly reason: string; readonly message: string }> = new Promise(resolve => {
    this.lose = () => resolve({ reason: "unknown", message: "It fell off the bus." })
  })

  pushErrorScope(): void {}

  async popErrorScope(): Promise<{ readonly message: string } | null> {
    const { fault } = this
    this.fault = null
    return fault
  }

  destroy(): void {
    this.destroyed = true
    this.lose()
  }
}

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
