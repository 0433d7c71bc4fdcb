// A model whose device fails while it is in use; a made-up one, since no real one does so when asked.
import type { InferenceSession } from "onnxruntime-common"
import * as native from "onnxruntime-node"
import { afterAll, beforeAll, expect, it } from "vitest"
import { DiffusionPipeline, type PipelineOptions } from "../../src/pipelines/diffusion-pipeline.ts"
import type { OrtModule } from "../../src/platform/ort-module.ts"
import { temporaryFolder, writeModel } from "./tiny-model.ts"

type Run = InferenceSession["run"]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
  await writeModel(folder.path, { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
})
afterAll(() => folder[Symbol.asyncDispose]())

/** ONNX Runtime on the CPU under another device's name: each run there is `change` of the real one. */
function ortWith(change: (run: () => ReturnType<Run>) => ReturnType<Run>): OrtModule {
  const create = async (model: Uint8Array, options: InferenceSession.SessionOptions) => {
    const session = await native.InferenceSession.create(model, { ...options, executionProviders: ["cpu"] })
    if (options.executionProviders?.[0] !== "webgpu") return session
    const { inputMetadata, outputMetadata } = session
    const run: Run = (...args: unknown[]) =>
      change(() => session.run(...(args as [InferenceSession.FeedsType, InferenceSession.RunOptions])))
    return { inputMetadata, outputMetadata, run, release: () => session.release() }
  }
  return { ...native, InferenceSession: { create } as unknown as OrtModule["InferenceSession"] }
}

function load(options: PipelineOptions): Promise<DiffusionPipeline> {
  return DiffusionPipeline.fromPretrained(folder.path, { threads: 1, ...options })
}

const call = { seed: 1, numInferenceSteps: 2 }

it.each([
  ["D3D12 create buffer failed: out of memory", "OUT_OF_MEMORY"],
  ["Kernel requires f16 but the device does not support it.", "DEVICE_UNAVAILABLE"],
])("goes on with the next device after “%s”", async (message, code) => {
  let runs = 0
  // In the midst of sampling.
  const ort = ortWith(run => (runs++ === 1 ? Promise.reject(new Error(message)) : run()))
  await using reference = await load({ device: "cpu" })
  await using pipe = await load({ device: ["webgpu", "cpu"], ort })
  expect(pipe.unet.device).toBe("webgpu")
  const { images } = await pipe(call)
  expect(images[0]!.data).toEqual((await reference(call)).images[0]!.data)
  expect(runs).toBe(2)
  expect(pipe.unet.device).toBe("cpu")
  expect(pipe.unet.deviceAttempts).toMatchObject([{ device: "webgpu", error: { code } }])
})

it("says what the matter is where there is no other device", async () => {
  const ort = ortWith(() => Promise.reject(new Error("out of memory")))
  await using pipe = await load({ device: "webgpu", ort })
  await expect(pipe(call)).rejects.toMatchObject({
    name: "RuntimeError",
    code: "OUT_OF_MEMORY",
    device: "webgpu",
    message: expect.stringContaining("smaller batch"),
  })
})

it("finds at the first step that numbers of 16 bits don't suffice", async () => {
  const ort = ortWith(async run => {
    const outputs = await run()
    for (const { data } of Object.values(outputs)) (data as Float32Array).fill(Number.NaN)
    return outputs
  })
  await using pipe = await load({ device: "webgpu", dtype: "fp16", ort })
  await expect(pipe(call)).rejects.toMatchObject({
    code: "NOT_FINITE",
    message: expect.stringMatching(/NaN at step 1 of 2.*dtype fp32/),
  })
})
