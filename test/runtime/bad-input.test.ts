import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createSession, type ModelSource, type Session } from "../../src/runtime/session.ts"
import type { Tensor } from "../../src/tensor.ts"
import { denoiserFeeds, denoiserKernel, denoiserModel, hungryModel, onnxModel } from "./onnx-model.ts"

const vector = { dtype: "float32", shape: ["n", 3] } as const
const simple = (op: string, domain?: string): Uint8Array =>
  onnxModel({
    nodes: [{ op, inputs: ["x"], outputs: ["y"], ...(domain !== undefined && { domain }) }],
    inputs: [{ name: "x", ...vector }],
    outputs: [{ name: "y", ...vector }],
  })

describe.each(["cpu", "wasm"] as const)("on %s", device => {
  const refused: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
    ["an unknown operator", () => simple("Frobnicate"), /operator Frobnicate/],
    ["a foreign operator", () => simple("Frobnicate", "acme"), /operator acme:Frobnicate/],
    [
      "bytes that are no protobuf",
      () => new TextEncoder().encode("hello world, hello world"),
      /not a readable ONNX file/,
    ],
    ["no bytes", () => new Uint8Array(), /not a readable ONNX file/],
    ["a cut file", () => denoiserModel().slice(0, 300), /not a readable ONNX file/],
    [
      "operators of the future",
      () =>
        onnxModel({
          nodes: [{ op: "Relu", inputs: ["x"], outputs: ["y"] }],
          inputs: [{ name: "x", ...vector }],
          outputs: [{ name: "y", ...vector }],
          opset: 99,
        }),
      /Opset 99/,
    ],
    [
      "a value that nothing computes",
      () =>
        onnxModel({
          nodes: [{ op: "Add", inputs: ["x", "nowhere"], outputs: ["y"] }],
          inputs: [{ name: "x", ...vector }],
          outputs: [{ name: "y", ...vector }],
        }),
      /'nowhere'/,
    ],
    ["weights that are not given", () => denoiserModel(8, "weights.bin"), /weights lie in "weights.bin"/],
  ]

  test.each(refused)("%s is refused by name", async (_, bytes, message) => {
    const loading = createSession({ bytes: bytes() }, { device, worker: false })
    await expect(loading).rejects.toMatchObject({
      name: "RuntimeError",
      code: "MODEL_INVALID",
      message: expect.stringMatching(message),
    })
  })

  test("a file that is not there is named", async () => {
    await expect(
      createSession({ path: "/no/such/model.onnx" }, { device, worker: false }),
    ).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("/no/such/model.onnx"),
    })
  })

  test("a run that needs too much memory says so, and the next one works", async () => {
    await using session = await createSession({ bytes: hungryModel() }, { device, worker: false })
    const zeros = (size: bigint): Promise<unknown> =>
      session.run({ shape: { dtype: "int64", shape: [2], data: BigInt64Array.of(size, size) } })
    // Just under the 4 GiB that WebAssembly can address, and 64 TiB.
    await expect(zeros(device === "wasm" ? 32_760n : 1n << 22n)).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      device,
    })
    await expect(zeros(3n)).resolves.toEqual({ y: { dtype: "float32", shape: [], data: Float32Array.of(0) } })
  })

  test("a run that fails keeps ONNX Runtime's reason", async () => {
    await using session = await createSession({ bytes: denoiserModel() }, { device, worker: false })
    const feeds = {
      ...denoiserFeeds(2),
      timestep: { dtype: "int64", shape: [3], data: BigInt64Array.of(0n, 0n, 0n) },
    } as const
    await expect(session.run(feeds)).rejects.toMatchObject({
      code: "RUN_FAILED",
      device,
      message: expect.stringContaining("2 by 3"),
    })
  })
})

describe("external data", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "score-sde-runtime-"))
  })
  afterAll(() => rm(folder, { recursive: true }))
  const kernelBytes = new Uint8Array(denoiserKernel.buffer)

  async function file(name: string, bytes: Uint8Array): Promise<string> {
    await writeFile(join(folder, name), bytes)
    return join(folder, name)
  }

  test.each(["cpu", "wasm"] as const)("is found beside the model or in memory, on %s", async device => {
    const bytes = denoiserModel(8, "good.bin")
    await file("good.bin", kernelBytes)
    const sources: ModelSource[] = [
      { path: await file("good.onnx", bytes) },
      { bytes, externalData: [{ path: "good.bin", data: kernelBytes }] },
      { bytes: denoiserModel() },
    ]
    const results = []
    for (const source of sources) {
      await using session = await createSession(source, { device, worker: false })
      results.push(await session.run(denoiserFeeds()))
    }
    expect(results[0]).toEqual(results[2])
    expect(results[1]).toEqual(results[2])
  })

  test.each(["cpu", "wasm"] as const)(
    "that is missing, outside or too short is refused, on %s",
    async device => {
      await file("short.bin", kernelBytes.subarray(0, 100))
      await writeFile(join(folder, "..", "score-sde-outside.bin"), kernelBytes)
      for (const name of ["absent.bin", "../score-sde-outside.bin", "short.bin"]) {
        const path = await file("bad.onnx", denoiserModel(8, name))
        await expect(createSession({ path }, { device, worker: false }), name).rejects.toMatchObject({
          code: "MODEL_INVALID",
        })
      }
      await rm(join(folder, "..", "score-sde-outside.bin"))
    },
  )
})

describe("feeds", () => {
  let session: Session
  beforeAll(async () => {
    session = await createSession({ bytes: denoiserModel() }, { worker: false, device: "cpu" })
  })
  afterAll(() => session.dispose())

  const { sample, timestep } = denoiserFeeds(1)
  const bad: readonly (readonly [string, Record<string, Tensor>, string])[] = [
    ["a missing input", { sample }, 'The input "timestep", int64[batch], is missing.'],
    [
      "an extra input",
      { sample, timestep, labels: timestep },
      'The model has no input "labels"; it has "sample", "timestep".',
    ],
    [
      "another element type",
      { sample, timestep: { dtype: "float32", shape: [1], data: Float32Array.of(0) } },
      'The input "timestep" takes int64[batch], but float32[1] was given.',
    ],
    [
      "another rank",
      { sample: { ...sample, shape: [3, 8, 8] }, timestep },
      'The input "sample" takes float32[batch, 3, 8, 8], but float32[3, 8, 8] was given.',
    ],
    [
      "another size",
      { sample: { dtype: "float32", shape: [1, 3, 4, 8], data: new Float32Array(96) }, timestep },
      'The input "sample" takes float32[batch, 3, 8, 8], but float32[1, 3, 4, 8] was given.',
    ],
    [
      "too few elements",
      { sample: { ...sample, data: new Float32Array(5) }, timestep },
      'The input "sample" is float32[1, 3, 8, 8], but its data has 5 elements.',
    ],
  ]

  test.each(bad)("%s", async (_, feeds, message) => {
    await expect(session.run(feeds)).rejects.toMatchObject({
      name: "RuntimeError",
      code: "INPUT_MISMATCH",
      message,
    })
  })

  test("an unknown output", async () => {
    await expect(session.run({ sample, timestep }, { outputs: ["noise"] })).rejects.toMatchObject({
      code: "INPUT_MISMATCH",
      message: 'The model has no output "noise"; it has "out_sample", "twice".',
    })
  })
})

test.each([0, 1.5, -1, Number.NaN])("threads: %s is refused", async threads => {
  await expect(createSession({ bytes: simple("Relu") }, { threads })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  })
})
