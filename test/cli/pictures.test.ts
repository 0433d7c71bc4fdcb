import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { writeNpy } from "../../src/arrays/npy.ts"
import { readNpz } from "../../src/arrays/npz.ts"
import { makeGrid } from "../../src/image/grid.ts"
import { Image } from "../../src/image/image.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import type { Tensor } from "../../src/tensor.ts"
import { hideHubEnvironment } from "../hub/hub-fixtures.ts"
import { writeModel } from "../pipelines/tiny-model.ts"
import { captured } from "./captured.ts"
import { sharedFolder } from "./run-program.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

const folder = await sharedFolder()
const model = join(folder, "model")
const place = (...parts: string[]): string => join(folder, ...parts)
const steps = 4

beforeAll(async () => {
  await writeModel(model, { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" })
})

function sample(...words: string[]) {
  return captured("sample", model, "--steps", String(steps), "--device", "cpu", ...words)
}

/** What the library itself makes. */
async function expected(count: number, seed: number, latents?: Tensor<"float32">): Promise<readonly Image[]> {
  await using pipe = await DiffusionPipeline.fromPretrained(model, { device: "cpu", worker: false })
  const options = { numInferenceSteps: steps, batchSize: count, ...(latents && { latents }) }
  const { images } =
    count === 1
      ? await pipe({ ...options, seed })
      : await pipe({ ...options, generator: new PhiloxGenerator(seed) })
  return images
}

describe("score-sde sample", () => {
  it("writes one picture to a file: Diffusers' own of that seed", async () => {
    const out = place("new", "one.png")
    const { code, stdout } = await sample("--seed", "11", "--out", out, "--quiet")
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}\n` })
    expect((await Image.read(out)).data).toEqual((await expected(1, 11))[0]!.data)
  })

  it("tells the seed that it chose, with which the picture comes again", async () => {
    const first = await sample("--out", place("first.png"))
    const [, seed] = /seed (\d+) \(torch\)/.exec(first.stderr) ?? []
    await sample("--out", place("second.png"), "--seed", seed!)
    expect(await readFile(place("second.png"))).toEqual(await readFile(place("first.png")))
  })

  it("lays a grid and a strip out, and writes the array", async () => {
    const [grid, npz] = [place("grid.png"), place("arrays", "all.npz")]
    const words = ["-n", "3", "-b", "2", "--seed", "5", "--grid", "--strip", "--out", grid, "--out-npz", npz]
    const { code, stdout } = await sample(...words)
    expect(code).toBe(0)
    expect(stdout.trimEnd().split("\n").sort()).toEqual([npz, place("grid-strip.png"), grid].sort())

    const array = (await readNpz(await readFile(npz), npz)).get("images") as Tensor<"float32">
    expect(array).toMatchObject({ dtype: "float32", shape: [3, 8, 8, 3] })
    const images = await Promise.all(
      [0, 1, 2].map(async i => {
        const pixels = array.data.subarray(i * 192, (i + 1) * 192)
        const data = Uint8ClampedArray.from(pixels, value => Math.fround(value * 255))
        return new Image({ width: 8, height: 8, channels: 3, data: Uint8Array.from(data) })
      }),
    )
    expect((await Image.read(grid)).data).toEqual(makeGrid(images).data)

    // Three steps and the finished pictures of the first batch, with two pixels around each.
    const strip = await Image.read(place("grid-strip.png"))
    expect([strip.width, strip.height]).toEqual([2 + 4 * 10, 2 + 2 * 10])
    expect(await readdir(place("arrays"))).toEqual(["all.npz"])
  })

  it("starts from given noise, of which it takes as many as there are or are asked for", async () => {
    const latents = new PhiloxGenerator(1).randn([2, 3, 8, 8])
    await writeFile(
      place("z.npy"),
      writeNpy({ ...latents, dtype: "float64", data: Float64Array.from(latents.data) }),
    )
    const words = ["--latents", place("z.npy"), "--seed", "2"]
    await sample(...words, "--out", place("from-noise"))
    const images = await expected(2, 2, latents)
    expect(await readdir(place("from-noise"))).toHaveLength(2)
    expect((await Image.read(place("from-noise", "0001.png"))).data).toEqual(images[1]!.data)
    const one = await sample(...words, "-n", "1", "--out", place("one-of-two.png"))
    expect(one.code).toBe(0)
    const three = await sample(...words, "-n", "3", "--out", place("three"))
    expect(three).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("noise for 2 pictures, but --num-images asks for 3"),
    })
  })
})

describe("bad arguments of score-sde sample", () => {
  it.each<[string, string[], number, string]>([
    [
      "a folder that is a file",
      ["--out", join(model, "model_index.json"), "-n", "2"],
      2,
      "is a file, but a folder is to be written",
    ],
    ["a file that is a folder", ["--out", place("taken.png")], 2, "is a folder, but a file is to be written"],
    ["a folder below a file", ["--out", join(model, "model_index.json", "out")], 1, "ENOTDIR"],
    ["several pictures for one file", ["--out", place("x.png"), "-n", "2"], 2, "hint: Add --grid"],
    [
      "noise that is none",
      ["--latents", join(model, "model_index.json"), "--out", place("x.png")],
      1,
      "is not a .npy file",
    ],
    ["a step too few", ["--steps", "0"], 2, "whole number"],
  ])("%s", async (_, words, code, message) => {
    await mkdir(place("taken.png"), { recursive: true })
    const result = await sample(...words)
    expect(result).toMatchObject({ code, stdout: "" })
    expect(result.stderr).toContain(message)
    expect(result.stderr).not.toContain("Sampling")
    expect(result.stderr).not.toMatch(/^ +at /m)
  })

  it("are told before the model is loaded", async () => {
    const { code, stderr } = await captured("sample", place("no-model"), "--out", place("taken.png"))
    expect(code).toBe(2)
    expect(stderr).toContain("taken.png is a folder")
  })

  it("leave nothing behind", async () => {
    const latents = { dtype: "float32", shape: [1, 3, 4, 4], data: new Float32Array(48) } as const
    await writeFile(place("small.npy"), writeNpy(latents))
    const result = await sample(
      "--latents",
      place("small.npy"),
      "--out",
      place("nothing"),
      "--out-npz",
      place("nothing.npz"),
    )
    expect(result).toMatchObject({ code: 2, stdout: "" })
    expect(result.stderr).toContain("latents are float32 [1, 3, 4, 4], but must be float32 [1, 3, 8, 8]")
    await expect(stat(place("nothing"))).rejects.toThrow("ENOENT")
    await expect(stat(place("nothing.npz"))).rejects.toThrow("ENOENT")
  })
})

describe("errors", () => {
  it("say what is wrong and what to do, and show the stack only when asked", async () => {
    const plain = await captured("sample", "./no-such-folder")
    expect(plain).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "error: There is no folder ./no-such-folder.\nhint: Give the folder that holds the model's model_index.json or config.json.\n",
    })
    const verbose = await captured("sample", "./no-such-folder", "--verbose")
    expect(verbose.stderr).toMatch(/^error: There is no folder .*\nhint: .*\n.*\n +at /)
    vi.stubEnv("DEBUG", "1")
    expect((await captured("info", "not an id")).stderr).toMatch(/\nhint: An id has the form .*\n.*\n +at /)
  })

  it("name the devices that didn't take the model", async () => {
    // None of them is on every machine that runs this; where one is, the next says no.
    const { code, stderr } = await sample("--device", "dml,coreml", "--out", place("device.png"))
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: .*\n?.*(?:dml|coreml)/)
  })
})
