import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { readNpy, writeNpy } from "../../src/arrays/npy.ts"
import { readNpz } from "../../src/arrays/npz.ts"
import { Image } from "../../src/image/image.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import type { Tensor } from "../../src/tensor.ts"
import { sharedGaussianModel } from "../pipelines/gaussian-model.ts"
import { captured } from "./captured.ts"
import { scoreSde, sharedFolder, shippedModel } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)
const model = await sharedGaussianModel()
beforeAll(async () => {
  await writeFile(at("x.npy"), writeNpy(pictures))
  for (const [i, image] of Image.fromTensor(pictures).entries()) await image.save(at(`${i}.png`))
})

const pictures: Tensor<"float32"> = {
  dtype: "float32",
  shape: [3, 1, 4, 4],
  data: Float32Array.from({ length: 48 }, (_, i) => Math.round(255 * (0.4 + 0.3 * Math.sin(3 * i))) / 255),
}

async function npy(name: string): Promise<Tensor<"float32">> {
  return readNpy(await readFile(at(name)), name) as Tensor<"float32">
}

describe("score-sde likelihood", () => {
  it("tells the library's bits/dim, of an array and of files, with a given probe", async () => {
    const probe = new PhiloxGenerator(3).randn(pictures.shape)
    await writeFile(at("e.npy"), writeNpy(probe))
    const { code, stdout, stderr } = await captured(
      ...["likelihood", model, "--data", at("x.npy"), "--probe", at("e.npy"), "--seed", "4", "-b", "2"],
    )
    expect(code).toBe(0)
    await using pipe = await DiffusionPipeline.fromPretrained(model, { worker: false })
    const expected = await pipe.likelihood(pictures, { probe, seed: 4, batchSize: 2 })
    expect(stdout).toBe([...expected.bitsPerDim].map(bits => `${bits.toFixed(6)}\n`).join(""))
    expect(stderr).toContain("bits/dim over 3 pictures")
    expect(stderr).toContain(`${expected.nfe} evaluations`)

    const files = ["0", "1", "2"].map(name => at(`${name}.png`))
    const same = await captured(
      ...["likelihood", model, "--probe", at("e.npy"), "--seed", "4", "-b", "2", "--data", ...files],
    )
    expect(same.stdout).toBe(stdout)
  })

  it("gives JSON and arrays, with the error over probes", async () => {
    const { code, stdout } = await captured(
      ...["likelihood", model, "--data", at("x.npy"), "--probes", "2", "--probe-type", "gaussian"],
      ...["--seed", "0", "--json", "--out", at("result.npz"), "--quiet"],
    )
    expect(code).toBe(0)
    const result = JSON.parse(stdout)
    expect(result.bitsPerDim).toHaveLength(3)
    expect(result.mean).toBeCloseTo(result.bitsPerDim.reduce((a: number, b: number) => a + b, 0) / 3, 10)
    const arrays = await readNpz(await readFile(at("result.npz")), "result.npz")
    expect([...arrays.keys()]).toEqual(["bits_per_dim", "standard_error", "latents"])
    expect([...arrays.get("bits_per_dim")!.data]).toEqual(result.bitsPerDim)
    expect([...arrays.get("standard_error")!.data]).toEqual(result.standardError)
    expect(arrays.get("latents")!.shape).toEqual(pictures.shape)
  })
})

describe("score-sde encode, decode and interpolate", () => {
  it("lead to latents and back to the pictures", async () => {
    const encoded = await captured("encode", model, "--data", at("x.npy"), "-o", at("z.npy"))
    expect(encoded).toMatchObject({ code: 0, stdout: `${at("z.npy")}\n` })
    await using pipe = await DiffusionPipeline.fromPretrained(model, { worker: false })
    const { latents } = await pipe.encode(pictures)
    expect(await npy("z.npy")).toEqual(latents)

    const decoded = await captured(
      ...["decode", model, "--latents", at("z.npy"), "-o", at("back"), "--out-npz", at("back.npz")],
    )
    expect(decoded).toMatchObject({ code: 0, stdout: `${at("back")}\n${at("back.npz")}\n` })
    expect((await readdir(at("back"))).sort()).toEqual(["0000.png", "0001.png", "0002.png"])
    for (const i of [0, 1, 2]) {
      const [back, first] = await Promise.all([
        Image.read(at(`back/000${i}.png`)),
        Image.read(at(`${i}.png`)),
      ])
      expect(back.data).toEqual(first.data)
    }
  })

  it("go from one picture to another, by files or by their latents", async () => {
    const way = await captured(
      ...["interpolate", model, "--data", at("0.png"), at("1.png"), "-n", "5", "-o", at("way")],
    )
    expect(way.code).toBe(0)
    expect(await readdir(at("way"))).toHaveLength(5)
    const ends = await Promise.all([Image.read(at("way/0000.png")), Image.read(at("way/0004.png"))])
    const given = await Promise.all([Image.read(at("0.png")), Image.read(at("1.png"))])
    expect(ends.map(({ data }) => data)).toEqual(given.map(({ data }) => data))

    const latents = new PhiloxGenerator(0).randn([2, 1, 4, 4])
    await writeFile(at("two.npy"), writeNpy(latents))
    const grid = await captured(
      ...["interpolate", model, "--latents", at("two.npy"), "-n", "3", "--linear", "--grid"],
      ...["-o", at("grid.png")],
    )
    expect(grid).toMatchObject({ code: 0, stdout: `${at("grid.png")}\n` })
  })
})

describe("score-sde sample with another sampler", () => {
  it("makes the library's pictures", async () => {
    const { code } = await captured(
      ...["sample", model, "-n", "2", "--seed", "1", "--sampler", "dpmpp_2m_sde", "--eta", "0.5"],
      ...["--steps", "5", "--sigma-max", "20", "-o", at("sampled"), "--out-npz", at("sampled.npz")],
    )
    expect(code).toBe(0)
    await using pipe = await DiffusionPipeline.fromPretrained(model, { worker: false })
    const { images } = await pipe({
      ...{ sampler: "dpmpp_2m_sde", eta: 0.5, sigmaMax: 20, numInferenceSteps: 5 },
      ...{ batchSize: 2, generator: new PhiloxGenerator(1), outputType: "np" },
    })
    const arrays = await readNpz(await readFile(at("sampled.npz")), "sampled.npz")
    expect(arrays.get("images")!.data).toEqual(images.data)
    const pc = await captured(
      ...["sample", model, "--seed", "1", "--predictor", "ancestral_sampling", "--corrector", "none"],
      ...["--steps", "4", "--denoise", "no", "-o", at("pc.png")],
    )
    expect(pc.code).toBe(0)
    expect(pc.stderr).toContain("4 network evaluations")
  })
})

describe("wrong arguments", () => {
  const likelihood = (...more: string[]): string[] => ["likelihood", model, ...more]
  it.each<[string, () => string[], string]>([
    ["no data", () => likelihood(), "--data"],
    ["a missing file", () => likelihood("--data", at("none.npy")), "none.npy"],
    ["arrays and pictures", () => likelihood("--data", at("x.npy"), at("0.png")), "is an array"],
    [
      "two kinds of probes",
      () => likelihood("--data", at("x.npy"), "--probe", "e", "--probe-type", "exact"),
      "Both",
    ],
    [
      "a probe of another shape",
      () => likelihood("--data", at("0.png"), "--probe", at("x.npy")),
      "The probe has",
    ],
    ["no number", () => likelihood("--data", at("x.npy"), "--rtol", "small"), "--rtol"],
    ["one end", () => ["interpolate", model, "--data", at("0.png"), "-o", at("no")], "the ends are two"],
    ["no ends", () => ["interpolate", model, "-o", at("no")], "The two ends are missing"],
    ["a setting of another sampler", () => ["sample", model, "--sampler", "ode", "--snr", "1"], "has no snr"],
    ["an unknown sampler", () => ["sample", model, "--sampler", "euler"], "euler"],
    ["steps of the ODE", () => ["sample", model, "--sampler", "ode", "--strip"], "--strip"],
  ])("%s", async (_, args, message) => {
    const { code, stdout, stderr } = await captured(...args())
    expect(stdout).toBe("")
    expect(code).toBe(message === "none.npy" ? 1 : 2)
    expect(stderr).toContain(message)
    expect(await readdir(folder)).not.toContain("no")
  })
})

it("Ctrl-C ends a likelihood after an evaluation, with what was measured told", async () => {
  const x = { ...pictures, shape: [16, 3, 32, 32], data: new Float32Array(16 * 3072).fill(0.5) }
  await writeFile(at("grey.npy"), writeNpy(x))
  const args = ["likelihood", shippedModel, "--data", at("grey.npy"), "-b", "1", "--rtol", "1e-9"]
  let sent = false
  const { code, stderr } = await scoreSde(args, {
    onStderr(text, child) {
      if (sent || !/Likelihood.*evaluation/.test(text)) return
      sent = child.kill("SIGINT")
    },
  })
  expect(stderr).toContain("Interrupted. 0 of 16 pictures were measured.")
  expect(code).toBe(130)
})
