import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { writeNpy } from "../../src/arrays/npy.ts"
import { readNpz } from "../../src/arrays/npz.ts"
import { Image } from "../../src/image/image.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { TorchGenerator } from "../../src/random/torch-generator.ts"
import { scoreSde, sharedFolder, shippedModel } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)

async function imagesOf(path: string): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const arrays = await readNpz(await readFile(path), path)
  expect([...arrays.keys()]).toEqual(["images"])
  const { dtype, shape, data } = arrays.get("images")!
  expect(dtype).toBe("float32")
  return { shape, data: data as Float32Array }
}

describe("score-sde sample", () => {
  it("writes a numbered file per picture, a strip and an array, with the pictures of the library", async () => {
    const { code, stdout, stderr } = await scoreSde([
      ...["sample", shippedModel, "-n", "5", "-b", "2", "--steps", "2", "--seed", "7", "--strip"],
      ...["--out", at("folder"), "--out-npz", at("arrays/folder.npz")],
    ])
    expect(stderr).toContain("seed 7")
    expect(code).toBe(0)
    const names = ["0000.png", "0001.png", "0002.png", "0003.png", "0004.png", "strip.png"]
    expect((await readdir(at("folder"))).sort()).toEqual(names)
    expect(stdout.trim().split("\n").sort()).toEqual(
      [at("arrays/folder.npz"), at("folder"), at("folder/strip.png")].sort(),
    )

    const { shape, data } = await imagesOf(at("arrays/folder.npz"))
    expect(shape).toEqual([5, 32, 32, 3])
    await using pipe = await DiffusionPipeline.fromPretrained(shippedModel, { worker: false })
    const generator = new PhiloxGenerator(7)
    const expected: number[] = []
    for (const batchSize of [2, 2, 1]) {
      const { images } = await pipe({ batchSize, generator, numInferenceSteps: 2, outputType: "np" })
      expected.push(...images.data)
    }
    expect(data).toEqual(Float32Array.from(expected))
    const picture = await Image.read(at("folder/0004.png"))
    expect([...picture.data]).toEqual([...data.slice(4 * 3072)].map(x => Math.round(x * 255)))
  })

  it("starts from --latents, with PyTorch's numbers on request, into a grid", async () => {
    const latents = new TorchGenerator(1).randn([2, 3, 32, 32])
    await writeFile(at("z.npy"), writeNpy(latents))
    const { code, stdout } = await scoreSde([
      ...["sample", shippedModel, "--latents", at("z.npy"), "--steps", "3", "--seed", "9"],
      ...["--generator", "torch", "--grid", "--out", at("grid/g.png"), "--out-npz", at("grid.npz")],
    ])
    expect(code).toBe(0)
    expect(stdout).toBe(`${at("grid/g.png")}\n${at("grid.npz")}\n`)
    expect(await readdir(at("grid"))).toEqual(["g.png"])
    await using pipe = await DiffusionPipeline.fromPretrained(shippedModel, { worker: false })
    const generator = new TorchGenerator(9)
    const { images } = await pipe({
      batchSize: 2,
      latents,
      generator,
      numInferenceSteps: 3,
      outputType: "np",
    })
    expect((await imagesOf(at("grid.npz"))).data).toEqual(images.data)
  })

  it("gives the same pictures in batches of any size, where no corrector looks at the whole batch", async () => {
    const model = at("no-corrector")
    await cp(shippedModel, model, { recursive: true })
    const config = join(model, "scheduler/scheduler_config.json")
    const settings = JSON.parse(await readFile(config, "utf8"))
    await writeFile(config, JSON.stringify({ ...settings, correct_steps: 0 }))
    const [one, three] = await Promise.all(
      ["1", "3"].map(async size => {
        const npz = at(`batches-of-${size}.npz`)
        const args = ["sample", model, "-n", "3", "-b", size, "--steps", "2", "--seed", "3", "--out-npz", npz]
        expect((await scoreSde([...args, "--out", at(`batches-of-${size}`)])).code).toBe(0)
        return (await imagesOf(npz)).data
      }),
    )
    expect(Math.max(...one!.map((x, i) => Math.abs(x - three![i]!)))).toBeLessThan(1e-4)
  })
})

describe("score-sde sample, interrupted", () => {
  it("stops after the step, keeps whole pictures and says how many", async () => {
    const out = at("interrupted")
    const args = ["sample", shippedModel, "-n", "5000", "-b", "1", "--steps", "2", "--out", out]
    await mkdir(out)
    let poll: NodeJS.Timeout | undefined
    const { code, stderr } = await scoreSde(args, {
      onStderr(_, child) {
        poll ??= setInterval(async () => {
          if (!(await readdir(out)).includes("0001.png")) return
          clearInterval(poll)
          child.kill("SIGINT")
        }, 50)
      },
    })
    clearInterval(poll)
    expect(code).toBe(130)
    const names = await readdir(out)
    expect(names.length).toBeGreaterThanOrEqual(2)
    expect(names.length).toBeLessThan(5000)
    expect(names.every(name => /^\d{4}\.png$/.test(name))).toBe(true)
    for (const name of names) expect((await Image.read(join(out, name))).width).toBe(32)
    expect(stderr).toMatch(new RegExp(`\\b${names.length} of 5000 pictures`))
  })

  it("ends at once at the second Ctrl-C", async () => {
    const args = ["sample", shippedModel, "-n", "128", "-b", "64", "--steps", "50", "--out", at("twice")]
    const { signal } = await scoreSde(args, {
      onStderr(text, child) {
        if (text.includes("Ctrl-C again")) child.kill("SIGINT")
        else if (text.includes("Sampling")) child.kill("SIGINT")
      },
    })
    expect(signal).toBe("SIGINT")
  })
})
