import { join } from "node:path"
import { InputError } from "../errors.ts"
import { makeGrid } from "../image/grid.ts"
import { Image } from "../image/image.ts"
import { channelsLast } from "../pipelines/channels-last.ts"
import type { Tensor } from "../tensor.ts"
import { ArraySpool } from "./array-spool.ts"
import { countOf } from "./format.ts"
import { checkOutputFile, checkOutputFolder } from "./output-path.ts"

/** Where `score-sde sample` puts what it makes, as the command line has it. */
export interface PictureArguments {
  readonly out: string
  readonly grid?: boolean
  readonly strip?: boolean
  readonly outNpz?: string
}

/** The paths that the arguments mean. */
export interface PicturePaths {
  /** The file of picture `i`; undefined where they all go into a grid. */
  readonly picture: ((i: number) => string) | undefined
  readonly grid: string | undefined
  readonly strip: string | undefined
  readonly npz: string | undefined
  /** The folder that the pictures go into, where there are several. */
  readonly folder: string | undefined
}

const pictureFile = /\.(?:png|jpe?g|webp)$/i
const otherPictureFile = /\.(?:gif|bmp|tiff?|avif|heic|jxl|svg|pdf)$/i

/**
 * Decides where `count` pictures go.
 *
 * @throws InputError when they don't fit into what is named.
 */
export function picturePaths(
  { out, grid = false, strip = false, outNpz }: PictureArguments,
  count: number,
): PicturePaths {
  if (otherPictureFile.test(out)) {
    throw new InputError("INVALID_ARGUMENT", `${out} can't be written: pictures are .png, .jpg or .webp.`)
  }
  const isFile = pictureFile.test(out)
  if (isFile && !grid && count > 1) {
    throw new InputError("INVALID_ARGUMENT", `${countOf(count, "picture")} don't go into the file ${out}.`, {
      hint: "Add --grid to lay them out in one, or give a folder.",
    })
  }
  const digits = Math.max(4, String(count - 1).length)
  const numbered = (i: number): string => join(out, `${String(i).padStart(digits, "0")}.png`)
  return {
    picture: grid ? undefined : isFile ? () => out : numbered,
    grid: grid ? (isFile ? out : join(out, "grid.png")) : undefined,
    strip: strip ? (isFile ? out.replace(pictureFile, "-strip.png") : join(out, "strip.png")) : undefined,
    npz: outNpz,
    folder: isFile || grid || count === 1 ? undefined : out,
  }
}

/** Writes pictures as they come; a grid and an array of all of them at the end. */
export class PictureOutput implements AsyncDisposable {
  /** Pictures that are done. */
  count = 0
  readonly #paths: PicturePaths
  readonly #gridImages: Image[] = []
  readonly #array: ArraySpool | undefined
  readonly #written = new Set<string>()

  private constructor(paths: PicturePaths) {
    this.#paths = paths
    this.#array = paths.npz === undefined ? undefined : new ArraySpool(paths.npz, "images")
  }

  /**
   * Makes sure that all can be written before hours are spent on it.
   *
   * @throws InputError, FileError
   */
  static async open(options: PictureArguments, count: number): Promise<PictureOutput> {
    const paths = picturePaths(options, count)
    if (paths.folder !== undefined) await checkOutputFolder(paths.folder)
    for (const path of [paths.picture?.(0), paths.grid, paths.strip, paths.npz]) {
      if (path !== undefined) await checkOutputFile(path)
    }
    return new PictureOutput(paths)
  }

  /** @param batch - [N, C, H, W], in [0, 1]. */
  async add(batch: Tensor<"float32">): Promise<void> {
    const { picture, folder } = this.#paths
    for (const image of Image.fromTensor(batch)) {
      if (picture) {
        const path = picture(this.count)
        await image.save(path)
        this.#written.add(folder ?? path)
      } else this.#gridImages.push(image)
      this.count++
    }
    await this.#array?.add(channelsLast(batch))
  }

  async addStrip(strip: Image): Promise<void> {
    await this.#save(strip, this.#paths.strip!)
  }

  /** Writes what is made of all pictures together, and returns all the paths where something is now. */
  async finish(): Promise<string[]> {
    const { grid, npz } = this.#paths
    if (grid !== undefined && this.count > 0) await this.#save(makeGrid(this.#gridImages), grid)
    if (npz !== undefined && this.#array?.rows) {
      await this.#array.save()
      this.#written.add(npz)
    }
    return [...this.#written]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#array?.[Symbol.asyncDispose]()
  }

  async #save(image: Image, path: string): Promise<void> {
    await image.save(path)
    this.#written.add(path)
  }
}
