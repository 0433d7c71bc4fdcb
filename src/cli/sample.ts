import { joinPath, makeDirectory, statFile } from "#platform/files"
import { AbortError, InputError } from "../errors.ts"
import { denoisingStrip } from "../image/denoising-strip.ts"
import { makeGrid } from "../image/grid.ts"
import { Image } from "../image/image.ts"
import { channelsLast } from "../pipelines/channels-last.ts"
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.ts"
import type { PipelineOutput, SamplingOptions } from "../pipelines/options.ts"
import { createGenerator, type GeneratorKind } from "../random/randn-tensor.ts"
import { randomSeed } from "../random/seed.ts"
import type { Tensor } from "../tensor.ts"
import { loadFloats, saveArrays } from "./arrays.ts"
import { Interrupt } from "./interrupt.ts"
import { loadingOptions, type ModelCommandOptions } from "./model-options.ts"
import { formatTime, StepBar } from "./progress.ts"

interface SampleOptions extends ModelCommandOptions {
  readonly numImages: number
  readonly batchSize?: number
  readonly steps?: number
  readonly seed?: number
  readonly generator?: GeneratorKind
  readonly out: string
  readonly grid?: boolean
  readonly strip?: boolean
  readonly latents?: string
  readonly outNpz?: string
}

const imageEnding = /\.(png|jpe?g|webp)$/i

/** `score-sde sample`: makes pictures batch by batch, writing each as soon as it is done. */
export async function sample(model: string, options: SampleOptions): Promise<void> {
  const latents = options.latents === undefined ? undefined : await loadFloats(options.latents)
  const numImages = latents?.shape[0] ?? options.numImages
  const output = await PictureOutput.open(options, numImages)
  const seed = options.seed ?? randomSeed()
  const kind = options.generator ?? (numImages === 1 ? "torch" : "philox")
  const generator = createGenerator(kind, seed)

  using interrupt = new Interrupt()
  const { signal } = interrupt
  await using pipe = await DiffusionPipeline.fromPretrained(model, loadingOptions(options, signal))
  const batchSize = Math.min(numImages, options.batchSize ?? comfortableBatch(pipe.unet.size))
  console.error(
    `${pipe.unet.device}, seed ${seed} (${kind}), ${numImages} × ${pipe.unet.size.join(" × ")} pixels`,
  )

  const start = performance.now()
  const batches = Math.ceil(numImages / batchSize)
  let bar: StepBar | undefined
  let stepsDone = 0
  try {
    for (let done = 0; done < numImages; done += batchSize) {
      const count = Math.min(batchSize, numImages - done)
      const strip = options.strip && done === 0 ? new StripFrames() : undefined
      const { images } = await makePictures(pipe, {
        batchSize: count,
        generator,
        signal,
        ...(options.steps !== undefined && { numInferenceSteps: options.steps }),
        ...(latents && { latents: rows(latents, done, count) }),
        ...(strip && { callbackOnStepEnd: (_pipe, step, _t, { latents: x }) => strip.add(step, x) }),
        onProgress: ({ totalSteps }) => {
          bar ??= new StepBar("Sampling", totalSteps * batches)
          bar.update(++stepsDone)
        },
      })
      await output.add(images)
      if (strip) await output.saveStrip(strip.picture(Image.fromTensor(images)))
    }
  } catch (error) {
    bar?.end()
    if (error instanceof AbortError)
      await output.finish(`${output.count} of ${numImages} pictures were done and are kept`)
    throw error
  }
  bar?.end()
  await output.finish(
    `${numImages} picture${numImages === 1 ? "" : "s"} in ${formatTime((performance.now() - start) / 1000)}`,
  )
}

function makePictures(
  pipe: DiffusionPipeline,
  options: SamplingOptions<"pt">,
): Promise<PipelineOutput<"pt">> {
  return pipe({ ...options, outputType: "pt" })
}

// Small pictures gain from being made together; large ones only need the memory.
function comfortableBatch([height, width]: readonly [number, number]): number {
  return Math.max(1, Math.min(16, Math.floor(2 ** 14 / (height * width))))
}

function rows({ shape, data }: Tensor<"float32">, start: number, count: number): Tensor<"float32"> {
  const size = data.length / shape[0]!
  return {
    dtype: "float32",
    shape: [count, ...shape.slice(1)],
    data: data.slice(start * size, (start + count) * size),
  }
}

/** Where the pictures go: one file, or a folder with a file each; and an array of all of them where asked for. */
class PictureOutput {
  count = 0
  readonly #options: SampleOptions
  readonly #total: number
  readonly #kept: Tensor<"float32">[] = []
  readonly #written: string[] = []

  private constructor(options: SampleOptions, total: number) {
    this.#options = options
    this.#total = total
  }

  /** Makes the folders first, so that hours of sampling don't end in an error. */
  static async open(options: SampleOptions, total: number): Promise<PictureOutput> {
    const isFile = imageEnding.test(options.out)
    if (isFile && total > 1 && !options.grid) {
      throw new InputError("INVALID_ARGUMENT", `${options.out} can't hold ${total} pictures.`, {
        hint: "Add --grid to put them into one, or give a folder.",
      })
    }
    const folder = isFile ? parentFolder(options.out) : options.out
    if (folder !== "") await makeDirectory(folder)
    if (isFile && (await statFile(options.out))?.kind === "directory") {
      throw new InputError("INVALID_ARGUMENT", `${options.out} is a folder.`)
    }
    return new PictureOutput(options, total)
  }

  async add(images: Tensor<"float32">): Promise<void> {
    const { out, grid, outNpz } = this.#options
    if (grid || outNpz !== undefined) this.#kept.push(images)
    const pictures = Image.fromTensor(images)
    for (const picture of pictures) {
      const number = String(this.count++).padStart(Math.max(4, String(this.#total - 1).length), "0")
      if (!grid) await this.#save(picture, imageEnding.test(out) ? out : joinPath(out, `${number}.png`))
    }
  }

  async saveStrip(strip: Image): Promise<void> {
    const { out } = this.#options
    await this.#save(
      strip,
      imageEnding.test(out) ? out.replace(imageEnding, "-strip.png") : joinPath(out, "strip.png"),
    )
  }

  /** Writes what is made of all pictures, and says what there is now. */
  async finish(summary: string): Promise<void> {
    const { out, grid, outNpz } = this.#options
    if (this.count > 0 && grid) {
      const pictures = this.#kept.flatMap(images => Image.fromTensor(images))
      await this.#save(makeGrid(pictures), imageEnding.test(out) ? out : joinPath(out, "grid.png"))
    }
    if (this.count > 0 && outNpz !== undefined) {
      await saveArrays(outNpz, { images: channelsLast(joinBatches(this.#kept)) })
      this.#written.push(outNpz)
    }
    console.error(`${summary}.`)
    for (const path of this.#written) console.log(path)
  }

  async #save(picture: Image, path: string): Promise<void> {
    await picture.save(path)
    this.#written.push(path)
  }
}

const stripFrames = 8
const stripPictures = 4

/** States evenly spaced over the steps, of which there is no telling how many: every second goes when they get many. */
class StripFrames {
  #states: Tensor<"float32">[] = []
  #every = 1

  add(step: number, latents: Tensor<"float32">): void {
    if (step % this.#every !== 0) return
    this.#states.push(rows(latents, 0, Math.min(stripPictures, latents.shape[0]!)))
    if (this.#states.length < 4 * stripFrames) return
    this.#states = this.#states.filter((_, i) => i % 2 === 0)
    this.#every *= 2
  }

  picture(final: readonly Image[]): Image {
    const noisy = this.#states.map(state => Image.fromTensor(state, { range: "auto" }))
    return denoisingStrip([...noisy, final.slice(0, stripPictures)], { count: stripFrames })
  }
}

function joinBatches(batches: readonly Tensor<"float32">[]): Tensor<"float32"> {
  const [first] = batches
  const size = first!.data.length / first!.shape[0]!
  const count = batches.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const data = new Float32Array(count * size)
  let offset = 0
  for (const batch of batches) {
    data.set(batch.data, offset)
    offset += batch.data.length
  }
  return { dtype: "float32", shape: [count, ...first!.shape.slice(1)], data }
}

function parentFolder(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"), 0))
}
