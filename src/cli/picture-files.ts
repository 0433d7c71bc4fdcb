import { InputError } from "../errors.ts"
import { Image } from "../image/image.ts"
import type { PictureInput } from "../pipelines/picture-input.ts"
import { asFloats, loadArray } from "./arrays.ts"

/**
 * Reads pictures: picture files, or one array `images` as .npy or .npz.
 *
 * @throws InputError, FileError, ImageError, ArrayFileError
 */
export async function loadPictures(paths: readonly string[]): Promise<PictureInput> {
  const array = paths.find(path => /\.np[yz]$/i.test(path))
  if (array === undefined) return Promise.all(paths.map(path => Image.read(path)))
  if (paths.length > 1) {
    throw new InputError("INVALID_ARGUMENT", `${array} is an array, but other files are named beside it.`, {
      hint: "Give one array, or pictures.",
    })
  }
  const tensor = await loadArray(array, "images")
  return tensor.dtype === "uint8" ? (tensor as PictureInput) : asFloats(tensor)
}
