import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { readNpy, writeNpy } from "../../src/arrays/npy.ts"
import { readNpz, writeNpz } from "../../src/arrays/npz.ts"
import { ArraySpool, checkSpoolSize } from "../../src/cli/array-spool.ts"
import { loadArray, loadFloats } from "../../src/cli/arrays.ts"
import { UNet2DModel } from "../../src/models/unet2d/model.ts"
import { PhiloxGenerator } from "../../src/random/philox-generator.ts"
import { type Tensor, tensor } from "../../src/tensor.ts"
import { hideHubEnvironment } from "../hub/hub-fixtures.ts"
import { networkFiles, writeModel } from "../pipelines/tiny-model.ts"
import { captured } from "./captured.ts"
import { sharedFolder } from "./run-program.ts"

hideHubEnvironment()
afterEach(() => void vi.unstubAllEnvs())

const folder = await sharedFolder()
const place = (...parts: string[]): string => join(folder, ...parts)
const model = place("model")
const classes = place("classes")

beforeAll(async () => {
  const pipeline = { className: "DDPMPipeline", schedulerClass: "DDPMScheduler" }
  await writeModel(model, pipeline)
  await writeModel(classes, pipeline, await networkFiles({ numClassEmbeds: 4 }))
})

describe("arrays", () => {
  it("become floats, whatever they are stored as", async () => {
    const half = tensor("float16", [2], Uint16Array.of(0x3c00, 0xc000))
    const whole = tensor("int64", [2], BigInt64Array.of(1n, -2n))
    const double = tensor("float64", [2], Float64Array.of(1, -2))
    for (const array of [half, whole, double]) {
      await writeFile(place("numbers.npy"), writeNpy(array))
      const { dtype, data } = await loadFloats(place("numbers.npy"), "numbers")
      expect({ dtype, data }).toEqual({ dtype: "float32", data: Float32Array.of(1, -2) })
    }
  })

  it("are the only one of a .npz file, or the one of the option's name", async () => {
    const [one, two] = [1, 2].map(value => tensor("float32", [1], Float32Array.of(value)))
    const save = async (...entries: [string, typeof one][]) =>
      writeFile(place("some.npz"), await writeNpz(new Map(entries as [string, NonNullable<typeof one>][])))
    await save(["arr_0", one])
    expect(await loadArray(place("some.npz"), "sample")).toEqual(one)
    await save(["other", one], ["sample", two])
    expect(await loadArray(place("some.npz"), "sample")).toEqual(two)
    await expect(loadArray(place("some.npz"), "timestep")).rejects.toThrow(
      "holds the arrays other, sample, but none is called timestep. Save it under that name",
    )
    await save()
    await expect(loadArray(place("some.npz"), "sample")).rejects.toThrow("holds no arrays")
  })

  it("grow on disk, and leave only themselves there", async () => {
    const random = new PhiloxGenerator(1)
    // More than one piece of what is read back.
    const batches = [3, 2, 1].map(rows => random.randn([rows, 512, 128, 3]))
    await mkdir(place("spool"))
    {
      await using spool = new ArraySpool(place("spool", "x.npz"), "images")
      for (const batch of batches) await spool.add(batch)
      expect(await readdir(place("spool"))).toHaveLength(1)
      await spool.save()
    }
    expect(await readdir(place("spool"))).toEqual(["x.npz"])
    const { shape, data } = (await readNpz(await readFile(place("spool", "x.npz")), "x.npz")).get("images")!
    expect(shape).toEqual([6, 512, 128, 3])
    expect(
      Buffer.compare(Buffer.from(data.buffer), Buffer.concat(batches.map(b => Buffer.from(b.data.buffer)))),
    ).toBe(0)
    expect(() => checkSpoolSize([100_000, 128, 128, 3], "x.npz")).toThrow("19.7 GB in x.npz")
    checkSpoolSize([50_000, 32, 32, 3], "x.npz")
  })
})

describe("score-sde run", () => {
  const sample = new PhiloxGenerator(0).randn([2, 3, 8, 8])
  beforeAll(() => writeFile(place("x.npy"), writeNpy(sample)))

  const run = (which: string, ...words: string[]) =>
    captured("run", which, "--sample", place("x.npy"), "--device", "cpu", ...words)

  async function expected(which: string, timestep: number, labels?: bigint[]): Promise<Float32Array> {
    await using unet = await UNet2DModel.fromPretrained(join(which, "unet"), { device: "cpu", worker: false })
    const classLabels = labels && tensor("int64", [2], BigInt64Array.from(labels))
    return (await unet.forward(sample, timestep, classLabels ? { classLabels } : {})).data
  }

  it("takes a number as the label, and a folder that is the network itself", async () => {
    const result = await run(join(model, "unet"), "--timestep", "5", "--out", place("new", "y.npy"))
    expect(result).toMatchObject({ code: 0, stdout: `${place("new", "y.npy")}\n` })
    const output = readNpy(await readFile(place("new", "y.npy")), "y.npy")
    expect(output).toEqual({ dtype: "float32", shape: [2, 3, 8, 8], data: await expected(model, 5) })
  })

  it("speaks .npz on both sides, with class labels of any integers", async () => {
    const labels = tensor("int32", [2], Int32Array.of(3, 1))
    const arrays = new Map<string, Tensor>([
      ["sample", sample],
      ["timestep", tensor("int64", [], BigInt64Array.of(7n))],
      ["class_labels", labels],
    ])
    await writeFile(place("all.npz"), await writeNpz(arrays))
    const all = place("all.npz")
    const words = ["--sample", all, "--timestep", all, "--class-labels", all, "--out", place("y.npz")]
    expect(await captured("run", classes, "--device", "cpu", ...words)).toMatchObject({ code: 0 })
    const output = (await readNpz(await readFile(place("y.npz")), "y.npz")).get("sample")
    expect(output?.data).toEqual(await expected(classes, 7, [3n, 1n]))
  })

  it.each<[string, string, string[], string]>([
    ["labels that a network doesn't take", model, ["--class-labels", place("x.npy")], "takes none"],
    [
      "labels that are no integers",
      classes,
      ["--class-labels", place("x.npy")],
      "classes are counted: give int64",
    ],
    ["no labels where a network needs them", classes, [], "no classLabels were given"],
    ["time steps that are no list", model, ["--timestep", place("x.npy")], "time steps are [N]"],
    ["a sample without a batch", model, ["--sample", place("flat.npy")], "samples are [N, C, H, W]"],
    ["a folder in the place of the output", model, ["--out", place("taken.npy")], "is a folder"],
  ])("answers %s with 2, and writes nothing", async (_, which, words, message) => {
    await writeFile(place("flat.npy"), writeNpy(tensor("float32", [3], new Float32Array(3))))
    await mkdir(place("taken.npy"), { recursive: true })
    await rm(place("never.npy"), { force: true })
    const result = await run(which, "--timestep", "1", "--out", place("never.npy"), ...words)
    expect(result).toMatchObject({ code: 2, stdout: "" })
    expect(result.stderr).toContain(message)
    expect(await readdir(folder)).not.toContain("never.npy")
  })
})

describe("score-sde export", () => {
  it("writes both graphs into an empty folder, and says what it writes", async () => {
    await mkdir(place("empty"))
    const { code, stdout, stderr } = await captured("export", model, place("empty"), "--dtype", "both")
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${place("empty")}\n` })
    const files = ["config.json", "diffusion_pytorch_model.safetensors", "model.onnx", "model_fp16.onnx"]
    expect((await readdir(place("empty", "unet"))).sort()).toEqual(files)
    for (const name of files) expect(stderr).toContain(`Writing unet/${name}\n`)
    expect((await readdir(folder)).filter(name => name.endsWith(".tmp"))).toEqual([])
  })

  it("leaves a folder that isn't empty alone, unless it may overwrite it", async () => {
    await mkdir(place("full"))
    await writeFile(place("full", "mine.txt"), "mine")
    const refused = await captured("export", model, place("full"))
    expect(refused).toMatchObject({ code: 2, stdout: "" })
    expect(refused.stderr).toContain("is not empty.\nhint: Give a new one, or add --overwrite.\n")
    expect(await readdir(place("full"))).toEqual(["mine.txt"])
    expect(await captured("export", model, place("full"), "--overwrite")).toMatchObject({ code: 0 })
    expect((await readdir(place("full"))).sort()).toEqual([
      "mine.txt",
      "model_index.json",
      "scheduler",
      "unet",
    ])
  })

  it("writes nothing when the model can't be loaded", async () => {
    const { code } = await captured("export", place("none"), place("unwritten"))
    expect(code).toBe(1)
    expect(await readdir(folder)).not.toContain("unwritten")
  })
})
