import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { writeNpy } from "../../src/arrays/npy.ts"
import { readNpz } from "../../src/arrays/npz.ts"
import { Image } from "../../src/image/image.ts"
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.ts"
import { ScoreSdeInpaintPipeline } from "../../src/pipelines/inpaint.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import type { Tensor } from "../../src/tensor.ts"
import { gradient, plain } from "../image/pictures.ts"
import { sharedGaussianModel } from "../pipelines/gaussian-model.ts"
import { captured } from "./captured.ts"
import { scoreSde, sharedFolder, shippedModel } from "./run-program.ts"

const folder = await sharedFolder()
const at = (name: string): string => join(folder, name)
const picture = gradient(4, 4, 1)
const left = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 255 : 0))
const mask = new Image({ width: 4, height: 4, channels: 1, data: left })
const model = await sharedGaussianModel()
beforeAll(async () => {
  await picture.save(at("picture.png"))
  await mask.save(at("mask.png"))
  await plain(4, 4, 99).save(at("other.png"))
  await writeFile(at("x.npy"), writeNpy(picture.toTensor()))
  await writeFile(at("mask.npy"), writeNpy({ dtype: "bool", shape: [4, 4], data: left.map(x => x / 255) }))
  await gradient(2, 2, 1).save(at("small.png"))
  await gradient(32, 32, 1).save(at("grey.png"))
})

async function imagesOf(name: string): Promise<Tensor> {
  return (await readNpz(await readFile(at(name)), name)).get("images")!
}

describe("score-sde inpaint", () => {
  const run = ["--steps", "4", "--seed", "5"]

  it("makes the library's pictures, in batches, of files and of arrays", async () => {
    const { code, stdout, stderr } = await captured(
      ...["inpaint", model, "--image", at("picture.png"), at("other.png"), "--mask", at("mask.png")],
      ...["-n", "2", "-b", "3", ...run, "--out", at("filled"), "--out-npz", at("filled.npz")],
    )
    expect(stderr).toContain("4 pictures of 4 × 4 in")
    expect(code).toBe(0)
    expect(stdout).toBe(`${at("filled")}\n${at("filled.npz")}\n`)
    const { shape, data } = await imagesOf("filled.npz")
    expect(shape).toEqual([4, 4, 4, 1])
    await using pipe = await DiffusionPipeline.fromPretrained(model, { worker: false })
    const inpaint = new ScoreSdeInpaintPipeline(pipe)
    const generator = new PhiloxGenerator(5)
    const settings = { mask, generator, numInferenceSteps: 4, outputType: "np" } as const
    const other = plain(4, 4, 99)
    const first = await inpaint({ ...settings, image: [picture, picture, other] })
    const last = await inpaint({ ...settings, image: other })
    expect(data).toEqual(Float32Array.from([...first.images.data, ...last.images.data]))
    const written = await Image.read(at("filled/0001.png"))
    for (const [i, byte] of written.data.entries()) if (left[i]) expect(byte).toBe(picture.data[i])

    const arrays = await captured(
      ...["inpaint", model, "--image", at("x.npy"), "--mask", at("mask.npy"), "--predictor", "none"],
      ...[...run, "--out", at("array.png"), "--quiet"],
    )
    expect(arrays).toMatchObject({ code: 0, stdout: `${at("array.png")}\n`, stderr: "" })
  })

  it("says what doesn't fit, and writes nothing", async () => {
    const inpaint = (...args: string[]) =>
      captured("inpaint", model, ...run, "--out", at("none.png"), "--image", at("picture.png"), ...args)
    for (const [args, message] of [
      [[], "There is no mask"],
      [["--mask", at("small.png")], "Mask 0 is 2 × 2, but the model's pictures are 4 × 4"],
      [["--mask", at("missing.png")], "missing.png"],
      [["--mask", at("mask.png"), "--class-label", "1"], "--classifier"],
      [["--mask", at("mask.png"), "--snr", "0", "--corrector", "langevin"], "snr is 0"],
    ] as const) {
      const { code, stdout, stderr } = await inpaint(...args)
      expect(stderr).toContain(message)
      expect(code).toBeGreaterThan(0)
      expect(stdout).toBe("")
    }
    await expect(readFile(at("none.png"))).rejects.toThrow()
  })

  it("stops at Ctrl-C and keeps what is done", async () => {
    let sent = false
    const { code, stderr } = await scoreSde(
      [
        ...[
          "inpaint",
          shippedModel,
          "--image",
          at("grey.png"),
          "--mask",
          at("grey.png"),
          "-n",
          "2",
          "-b",
          "1",
        ],
        ...["--steps", "1000", "--out", at("stopped")],
      ],
      {
        onStderr: (text, child) => {
          if (sent || !/step \d+/.test(text)) return
          sent = true
          child.kill("SIGINT")
        },
      },
    )
    expect(code).toBe(130)
    expect(stderr).toContain("No picture was done, and nothing is written.")
  })
})

it("score-sde colorize keeps the mean of the channels", async () => {
  const { code, stderr } = await captured(
    ...["colorize", shippedModel, "--image", at("grey.png"), "--steps", "2", "--seed", "1"],
    ...["--out", at("colours.png"), "--out-npz", at("colours.npz")],
  )
  expect(stderr).toContain("1 picture of 32 × 32")
  expect(code).toBe(0)
  const { shape } = await imagesOf("colours.npz")
  expect(shape).toEqual([1, 32, 32, 3])
  expect((await Image.read(at("colours.png"))).channels).toBe(3)
})

it("score-sde upscale enlarges to the model's size", async () => {
  const { code } = await captured(
    ...["upscale", model, "--image", at("small.png"), "--steps", "50", "--seed", "1"],
    ...["--out", at("large.png"), "--out-npz", at("large.npz")],
  )
  expect(code).toBe(0)
  const { shape } = await imagesOf("large.npz")
  expect(shape).toEqual([1, 4, 4, 1])
  const odd = await captured("upscale", model, "--image", at("grey.png"), "--out", at("no.png"))
  expect(odd).toMatchObject({ code: 2, stderr: expect.stringContaining("32 × 32 pixels") })
})

it("score-sde sample guides to a class, and says what is missing for that", async () => {
  const sample = (...args: string[]) =>
    captured("sample", model, "--steps", "2", "--out", at("s.png"), ...args)
  expect(await sample("--class-label", "1")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("both --classifier and --class-label"),
  })
  const missing = await sample("--class-label", "1", "--classifier", at("none.pth"))
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("none.pth") })
})
