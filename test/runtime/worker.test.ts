import { spawn } from "node:child_process"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { text } from "node:stream/consumers"
import { afterEach, expect, test, vi } from "vitest"
import { startOrtWorker } from "#platform/worker"
import { createSession } from "../../src/runtime/session.ts"
import { WorkerExecutor } from "../../src/runtime/worker-executor.ts"
import { denoiserFeeds, denoiserKernel, denoiserModel, heavyModel, identityModel } from "./onnx-model.ts"

vi.mock("#platform/worker", async importOriginal => {
  const original = await importOriginal<typeof import("#platform/worker")>()
  return { ...original, startOrtWorker: vi.fn(original.startOrtWorker!) }
})

const start = vi.mocked(startOrtWorker!)
afterEach(() => void start.mockClear())

const one = { x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } } as const
const large = { x: { dtype: "float32", shape: [512, 512], data: new Float32Array(512 * 512) } } as const

test("sessions share one worker, which ends with the last of them", async () => {
  const [first, second] = await Promise.all([
    createSession({ bytes: identityModel() }),
    createSession({ bytes: identityModel() }),
  ])
  expect(start).toHaveBeenCalledOnce()
  const ended = vi.spyOn(start.mock.results[0]!.value as ReturnType<typeof start>, "end")
  await first.dispose()
  expect(ended).not.toHaveBeenCalled()
  expect((await second.run(one)).y!.data).toEqual(Float32Array.of(1))
  await second.dispose()
  expect(ended).toHaveBeenCalledOnce()

  await using third = await createSession({ bytes: identityModel() })
  expect(start).toHaveBeenCalledTimes(2)
  expect((await third.run(one)).y!.data).toEqual(Float32Array.of(1))
})

test("results outlive the worker that computed them", async () => {
  const session = await createSession({ bytes: denoiserModel(64) }, { device: "cpu" })
  const results = await Promise.all([1, 2, 3].map(batch => session.run(denoiserFeeds(batch, 64))))
  const copies = structuredClone(results)
  await session.dispose()
  // Its memory is given back and used for something else.
  await using next = await createSession({ bytes: denoiserModel(64) }, { device: "cpu" })
  await next.run(denoiserFeeds(4, 64))
  expect(results).toEqual(copies)
})

test("a failed load leaves no worker behind", async () => {
  await expect(createSession({ bytes: new Uint8Array() })).rejects.toMatchObject({ code: "MODEL_INVALID" })
  const ended = start.mock.results[0]!.value as ReturnType<typeof start>
  await new Promise<unknown>(resolve => ended.listenForEnd(resolve))
})

test("loading and running leave the event loop free", async () => {
  await using session = await createSession({ bytes: heavyModel(60) })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const before = performance.now()
  delay.enable()
  const finished = session.run(large)
  await finished
  delay.disable()
  const milliseconds = performance.now() - before
  // A guard against blocking altogether: the gap is a few milliseconds where the cores are free.
  expect(delay.max / 1e6).toBeLessThan(Math.max(200, milliseconds / 2))
})

test("a worker that dies fails what it was doing, and what is asked later", async () => {
  const session = await createSession({ bytes: heavyModel(200) })
  const link = start.mock.results[0]!.value as ReturnType<typeof start>
  const runs = Promise.allSettled([session.run(large), session.run(large), session.run(large)])
  await link.end()
  const died = { name: "RuntimeError", code: "WORKER_DIED", hint: expect.any(String) }
  // The first may have been under way, which no thread can be ended in the midst of.
  expect((await runs).slice(1)).toMatchObject([
    { status: "rejected", reason: died },
    { status: "rejected", reason: died },
  ])
  await expect(session.run(large)).rejects.toMatchObject(died)
  await session.dispose()

  await using next = await createSession({ bytes: identityModel() })
  expect((await next.run(one)).y!.data).toEqual(Float32Array.of(1))
})

test.each([0, 20, 200])("a process can exit while a model runs, %i ms after it began", async wait => {
  const program = `
    import { createSession } from "./src/runtime/session.ts"
    import { heavyModel } from "./test/runtime/onnx-model.ts"
    const session = await createSession({ bytes: heavyModel(200) })
    const x = { dtype: "float32", shape: [512, 512], data: new Float32Array(512 * 512) }
    for (let i = 0; i < 3; i++) session.run({ x }).catch(() => {})
    setTimeout(() => process.exit(3), ${wait})`
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  const [complaints, [code]] = await Promise.all([text(child.stderr), once(child, "exit")])
  expect([code, complaints]).toEqual([3, ""])
})

test("a worker that does not start says so", async () => {
  const silent = new WorkerExecutor({
    post: () => {},
    listen: () => {},
    listenForEnd: handler => queueMicrotask(() => handler(new Error("Cannot find module"))),
    keepAlive: () => {},
    end: async () => {},
  })
  const loading = silent.load({ source: { bytes: identityModel() }, devices: ["cpu"] })
  await expect(loading).rejects.toMatchObject({
    code: "WORKER_UNAVAILABLE",
    hint: expect.stringContaining("worker: false"),
    cause: new Error("Cannot find module"),
  })
  expect(silent.open).toBe(false)
})

test("errors keep their class, code, hint and reasons on the way out of the worker", async () => {
  const bytes = denoiserModel(8, "gone.bin")
  const [inline, remote] = await Promise.all(
    [false, true].map(worker => createSession({ bytes }, { worker, device: "cpu" }).catch(error => error)),
  )
  expect(remote).toBeInstanceOf(inline.constructor)
  const { message, code, hint, device, attempts } = inline
  expect(remote).toMatchObject({ message, code, hint, device, attempts })
})

test("the source's buffers are copied, moved or shared, as they were given", async () => {
  const load = async (bytes: Uint8Array, data: Uint8Array, transfer: boolean) => {
    const source = { bytes, externalData: [{ path: "kernel.bin", data }] }
    await using session = await createSession(source, { transfer, device: "cpu" })
    return session.run(denoiserFeeds())
  }
  const model = (): Uint8Array => denoiserModel(8, "kernel.bin").slice()
  const kernel = (): Uint8Array => new Uint8Array(denoiserKernel.buffer.slice(0))

  const [copiedModel, copiedKernel] = [model(), kernel()]
  const expected = await load(copiedModel, copiedKernel, false)
  expect(copiedModel).toEqual(model())
  expect(copiedKernel).toEqual(kernel())

  const [movedModel, movedKernel] = [model(), kernel()]
  expect(await load(movedModel, movedKernel, true)).toEqual(expected)
  expect(movedModel.byteLength + movedKernel.byteLength).toBe(0)

  const [sharedModel, sharedKernel] = [copiedModel, copiedKernel].map(bytes => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    return shared
  })
  expect(await load(sharedModel!, sharedKernel!, true)).toEqual(expected)
  expect(sharedKernel).toEqual(copiedKernel)

  // A buffer that holds more than the model must not be taken away.
  const padded = new Uint8Array(copiedKernel.length + 20)
  padded.set(copiedKernel, 12)
  expect(await load(Buffer.from(model()), padded.subarray(12, -8), true)).toEqual(expected)
  expect(padded).toHaveLength(copiedKernel.length + 20)
})
