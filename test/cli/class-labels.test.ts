import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { readNpy, writeNpy } from "../../src/arrays/npy.ts"
import { readNpz } from "../../src/arrays/npz.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { interpolateLatents, slerp } from "../../src/sde/latents.ts"
import type { Tensor } from "../../src/tensor.ts"
import { networkFiles, writeModel } from "../pipelines/tiny-model.ts"
import { captured } from "./captured.ts"
import { sharedFolder } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)
const model = at("model")

const latents = new PhiloxGenerator(1).randn([2, 3, 8, 8])
const pictures: Tensor<"float32"> = { ...latents, data: latents.data.map(z => 1 / (1 + Math.exp(-z))) }

let pipe: DiffusionPipeline
beforeAll(async () => {
  const classes = { className: "DDIMPipeline", schedulerClass: "DDIMScheduler" }
  await writeModel(model, classes, await networkFiles({ numClassEmbeds: 3 }))
  await writeFile(at("x.npy"), writeNpy(pictures))
  await writeFile(at("z.npy"), writeNpy(latents))
  pipe = await DiffusionPipeline.fromPretrained(model, { worker: false })
})
afterAll(() => pipe.dispose())

const coarse = { rtol: 0.1, atol: 0.1 }
const flow = ["--rtol", "0.1", "--atol", "0.1", "-b", "1"]

async function array(name: string, entry: string): Promise<Float32Array> {
  const bytes = await readFile(at(name))
  const { data } = name.endsWith(".npy") ? readNpy(bytes, name) : (await readNpz(bytes, name)).get(entry)!
  return data as Float32Array
}

it("score-sde sample makes pictures of the class, without a classifier", async () => {
  const run = ["sample", model, "-n", "2", "--steps", "2", "--seed", "4", "--grid", "-o", at("two.png")]
  const result = await captured(...run, "--out-npz", at("two.npz"), "--class-label", "2")
  expect(result).toMatchObject({ code: 0 })
  const options = { batchSize: 2, numInferenceSteps: 2, outputType: "np" } as const
  const made = async (classLabels: number) =>
    (await pipe({ ...options, classLabels, generator: new PhiloxGenerator(4) })).images.data
  expect(await array("two.npz", "images")).toEqual(await made(2))
  expect(await made(1)).not.toEqual(await made(2))
})

it("score-sde likelihood and encode take a class for each picture", async () => {
  const labels = ["--class-label", "2", "0"]
  const run = ["likelihood", model, "--data", at("x.npy"), "--seed", "3", "--no-dequantize", ...flow]
  const { code, stdout } = await captured(...run, ...labels)
  expect(code).toBe(0)
  const settings = { ...coarse, batchSize: 1, classLabels: [2, 0] }
  const { bitsPerDim } = await pipe.likelihood(pictures, { ...settings, seed: 3, dequantize: false })
  expect(stdout).toBe([...bitsPerDim].map(bits => `${bits.toFixed(6)}\n`).join(""))
  expect((await captured(...run, "--class-label", "1")).stdout).not.toBe(stdout)

  expect(
    await captured("encode", model, "--data", at("x.npy"), "-o", at("e.npy"), ...flow, ...labels),
  ).toMatchObject({ code: 0 })
  expect(await array("e.npy", "latents")).toEqual((await pipe.encode(pictures, settings)).latents.data)
})

it("score-sde decode and interpolate take the class of all pictures", async () => {
  const written = ["--grid", "-o", at("d.png"), "--out-npz", at("d.npz"), ...flow, "--class-label", "2"]
  const decoded = async (z: Tensor<"float32">) =>
    (await pipe.decode(z, { ...coarse, batchSize: 1, classLabels: 2, outputType: "np" })).images.data
  expect(await captured("decode", model, "--latents", at("z.npy"), ...written)).toMatchObject({ code: 0 })
  expect(await array("d.npz", "images")).toEqual(await decoded(latents))

  const way = await captured("interpolate", model, "--data", at("x.npy"), "-n", "3", ...written)
  expect(way).toMatchObject({ code: 0 })
  const { latents: ends } = await pipe.encode(pictures, { ...coarse, batchSize: 1, classLabels: 2 })
  const [a, b] = [0, 1].map(i => ({
    ...ends,
    shape: [1, 3, 8, 8],
    data: ends.data.slice(192 * i, 192 * i + 192),
  }))
  expect(await array("d.npz", "images")).toEqual(await decoded(interpolateLatents(a!, b!, 3, slerp)))
})

it.each<[string, string[], string]>([
  ["no class", [], "Its classes are 0 to 2."],
  ["another number of classes", ["--class-label", "0", "1", "2"], "--class-label holds 3 numbers"],
  ["a class that there isn't", ["--class-label", "3"], "The class label 3 is none of the model's"],
  ["a class that is no number", ["--class-label", "cat"], "It must be a whole number from 0 up."],
])("%s is refused, and nothing is written", async (_, words, message) => {
  const result = await captured("encode", model, "--data", at("x.npy"), "-o", at("never.npy"), ...words)
  expect(result).toMatchObject({ code: 2, stdout: "" })
  expect(result.stderr).toContain(message)
  await expect(readFile(at("never.npy"))).rejects.toMatchObject({ code: "ENOENT" })
})
