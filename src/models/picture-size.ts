import { InputError } from "../errors.ts"
import type { PictureSize } from "./architecture.ts"

/**
 * A size that a network can have, which halves its pictures some times.
 *
 * @param factor what both sides must be multiples of.
 * @param model what errors call the network.
 * @throws InputError `INVALID_ARGUMENT`
 */
export function checkPictureSize(size: PictureSize, factor: number, model: string): PictureSize {
  if (!Array.isArray(size) || size.length !== 2) {
    throw new InputError("INVALID_ARGUMENT", "size must be a pair: [height, width].")
  }
  if (size.some(side => !(Number.isInteger(side) && side >= factor && side % factor === 0))) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `A picture of ${size.join(" × ")} doesn't fit ${model}: both sides must be multiples of ${factor}.`,
    )
  }
  return size
}
