import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { decodeGraph } from "../../src/graph/decode.ts"
import { encodeWithExternalData } from "../../src/graph/encode.ts"
import { fillWeights, weightLayout } from "../../src/graph/weight-layout.ts"
import type { ModelOptions } from "../../src/models/network-model.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import type { Tensor } from "../../src/tensor.ts"
import { formulaSafetensors, plainJson, temporaryFolder } from "../pipelines/tiny-model.ts"

const generator = new TorchGenerator(0)
const sample = generator.randn([2, 3, 8, 8])
const v = generator.randn([2, 3, 8, 8])
const timestep = [3, 700]

let weights: Awaited<ReturnType<typeof temporaryFolder>>
/** The same model as an ONNX graph alone. */
let graph: Awaited<ReturnType<typeof temporaryFolder>>
let expected: Awaited<ReturnType<UNet2DModel["vjp"]>>

beforeAll(async () => {
  ;[weights, graph] = await Promise.all([temporaryFolder(), temporaryFolder()])
  for (const { path } of [weights, graph]) {
    await writeFile(join(path, "config.json"), JSON.stringify(plainJson))
  }
  await writeFile(join(weights.path, "diffusion_pytorch_model.safetensors"), await formulaSafetensors())
  await using unet = await load(weights.path)
  const chunks: Uint8Array[] = []
  for await (const chunk of await unet.onnx()) chunks.push(chunk)
  await writeFile(join(graph.path, "model.onnx"), Buffer.concat(chunks))
  expected = await unet.vjp(sample, timestep, v)
})
afterAll(() => Promise.all([weights, graph].map(folder => folder[Symbol.asyncDispose]())))

function load(folder: string, options: ModelOptions = {}): Promise<UNet2DModel> {
  return UNet2DModel.fromPretrained(folder, { worker: false, threads: 1, ...options })
}

function dot(a: Tensor<"float32">, b: Tensor<"float32">): number {
  return a.data.reduce((sum, value, i) => sum + value * b.data[i]!, 0)
}

function moved(x: Tensor<"float32">, distance: number, along: Tensor<"float32">): Tensor<"float32"> {
  return { ...x, data: x.data.map((value, i) => value + distance * along.data[i]!) }
}

function expectSame(found: Tensor<"float32">, wanted: Tensor<"float32">, tolerance = 1e-4): void {
  expect(found.shape).toEqual(wanted.shape)
  const scale = Math.max(...wanted.data.map(Math.abs))
  const worst = Math.max(...found.data.map((value, i) => Math.abs(value - wanted.data[i]!)))
  expect(worst / scale).toBeLessThan(tolerance)
}

describe("the vector–Jacobian product", () => {
  it("comes with the network's own output, and agrees with differences of it", async () => {
    await using unet = await load(weights.path)
    expectSame(expected.output, await unet.forward(sample, timestep), 1e-5)
    // Along the gradient itself, where the change is greatest.
    const length = Math.sqrt(dot(expected.vjp, expected.vjp))
    const step = 0.05 / length
    const ahead = await unet.forward(moved(sample, step, expected.vjp), timestep)
    const behind = await unet.forward(moved(sample, -step, expected.vjp), timestep)
    const differences = (dot(ahead, v) - dot(behind, v)) / (2 * step)
    expect(Math.abs(length ** 2 / differences - 1)).toBeLessThan(2e-3)
  })

  it("is the same from an ONNX graph alone, also where its height, width and types are left open", async () => {
    await using unet = await load(graph.path)
    const { output, vjp } = await unet.vjp(sample, timestep, v)
    expectSame(output, expected.output)
    expectSame(vjp, expected.vjp)

    const read = decodeGraph(await readFile(join(graph.path, "model.onnx")))
    const inputs = read.inputs.map(input =>
      input.name === "sample" ? { ...input, shape: ["batch", 3, "height", "width"] } : input,
    )
    const open = { ...read, inputs, types: new Map() }
    await using folder = await temporaryFolder()
    await cp(graph.path, folder.path, { recursive: true })
    await writeFile(
      join(folder.path, "model.onnx"),
      encodeWithExternalData(open, "unused", weightLayout(open)),
    )
    await using other = await load(folder.path)
    expectSame((await other.vjp(sample, timestep, v)).vjp, expected.vjp)
  })

  it("is the same where the graph's weights lie in a file of their own", async () => {
    await using folder = await externalGraph("model.onnx_data")
    await using unet = await load(folder.path)
    expectSame((await unet.vjp(sample, timestep, v)).vjp, expected.vjp)
  })

  it("stays in float32 for a model in float16", async () => {
    await using unet = await load(weights.path, { dtype: "fp16" })
    expectSame((await unet.vjp(sample, timestep, v)).vjp, expected.vjp, 1e-6)
  })

  it("is computed where the model is, in its worker, and moves with it", async () => {
    await using unet = await load(weights.path, { worker: true })
    expectSame((await unet.vjp(sample, timestep, v)).vjp, expected.vjp)
    await unet.to("wasm")
    expect(unet.device).toBe("wasm")
    expectSame((await unet.vjp(sample, timestep, v)).vjp, expected.vjp)
  })

  it("can be stopped while its graph is loaded, and asked for again", async () => {
    await using unet = await load(weights.path)
    const controller = new AbortController()
    const stopped = unet.vjp(sample, timestep, v, { signal: controller.signal })
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" })
    expectSame((await unet.vjp(sample, timestep, v)).vjp, expected.vjp)
  })

  it("is loaded once for calls at once, and freed with the model", async () => {
    const unet = await load(weights.path)
    const [first, second] = await Promise.all([
      unet.vjp(sample, timestep, v),
      unet.vjp(sample, timestep, v),
      unet.dispose(),
    ])
    expect(first).toEqual(second)
    await expect(unet.vjp(sample, timestep, v)).rejects.toMatchObject({ code: "DISPOSED" })
  })

  it("refuses a cotangent of another shape than the output's", async () => {
    await using unet = await load(weights.path)
    const one = { ...v, shape: [1, 3, 8, 8], data: v.data.slice(0, 192) }
    await expect(unet.vjp(sample, timestep, one)).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
      message: "The cotangent has shape [1, 3, 8, 8], but the output has [2, 3, 8, 8].",
    })
  })
})

describe("a graph that can't be read back", () => {
  it("names an operator without a gradient", async () => {
    const read = decodeGraph(await readFile(join(graph.path, "model.onnx")))
    const [output] = read.outputs
    const last = read.nodes.at(-1)!
    const nodes = [
      ...read.nodes.slice(0, -1),
      { ...last, outputs: ["before"] },
      {
        op: "CumSum",
        domain: "",
        scope: "end",
        inputs: ["before", "axis"],
        outputs: [output!.name],
        attributes: {},
      },
    ]
    const axis = { dtype: "int64", shape: [], data: BigInt64Array.of(1n) } as const
    const initializers = new Map(read.initializers).set("axis", {
      kind: "constant",
      name: "axis",
      tensor: axis,
    })
    const odd = { ...read, nodes, initializers }
    await using folder = await temporaryFolder()
    await cp(graph.path, folder.path, { recursive: true })
    await writeFile(join(folder.path, "model.onnx"), encodeWithExternalData(odd, "unused", weightLayout(odd)))
    await using unet = await load(folder.path)
    await unet.forward(sample, timestep)
    await expect(unet.vjp(sample, timestep, v)).rejects.toMatchObject({
      code: "GRAPH_UNKNOWN_OPERATOR",
      message: expect.stringContaining("CumSum"),
    })
  })

  it("is refused where its weights lie elsewhere, before they are read", async () => {
    await using folder = await externalGraph("model.onnx_data")
    await using unet = await load(folder.path)
    const file = join(folder.path, "model.onnx")
    // As long as the name that it takes the place of.
    const changed = (await readFile(file)).toString("latin1").replaceAll("model.onnx_data", "../etc/shadow12")
    await writeFile(file, Buffer.from(changed, "latin1"))
    await expect(unet.vjp(sample, timestep, v)).rejects.toMatchObject({
      code: "GRAPH_INVALID_FILE",
      message: expect.stringContaining("../etc/shadow12"),
    })
    await writeFile(file, "no model")
    await expect(unet.vjp(sample, timestep, v)).rejects.toMatchObject({ code: "GRAPH_INVALID_FILE" })
  })
})

/** The graph with its weights in a second file. */
async function externalGraph(dataFile: string): ReturnType<typeof temporaryFolder> {
  const read = decodeGraph(await readFile(join(graph.path, "model.onnx")))
  const initializers = new Map(
    [...read.initializers].map(([name, one]) => {
      if (one.kind !== "constant" || one.tensor.dtype !== "float32" || one.tensor.data.length < 16) {
        return [name, one] as const
      }
      const { shape, data } = one.tensor
      const compute = (): Float32Array => data as Float32Array
      return [name, { kind: "derived", name, dtype: "float32", shape, sources: [], compute }] as const
    }),
  )
  const outside = { ...read, initializers }
  const layout = weightLayout(outside)
  const folder = await temporaryFolder()
  await mkdir(folder.path, { recursive: true })
  await cp(join(graph.path, "config.json"), join(folder.path, "config.json"))
  const data = await fillWeights(layout, { readFloat32Into: async () => {} })
  await writeFile(join(folder.path, dataFile), data)
  await writeFile(join(folder.path, "model.onnx"), encodeWithExternalData(outside, dataFile, layout))
  return folder
}
