import { ImageError } from "./errors.ts"
import { checkWhole, type GridOptions, makeGrid } from "./grid.ts"
import type { Image } from "./image.ts"

/** The look of a strip. */
export interface StripOptions extends Omit<GridOptions, "columns"> {
  /** How many frames to show, evenly spaced from the first to the last; by default all of them. */
  readonly count?: number
}

/**
 * Shows how pictures come out of noise: a row for each sample, in which the frames follow each other from left to right.
 *
 * @param frames - What there was after each step: one picture, or one for each sample of the batch.
 * @throws ImageError `INVALID_IMAGE` when there is no frame, or frames hold different numbers or sizes of pictures.
 * @throws InputError `INVALID_ARGUMENT` when an option makes no sense.
 */
export function denoisingStrip(
  frames: readonly (Image | readonly Image[])[],
  { count = frames.length, ...look }: StripOptions = {},
): Image {
  if (frames.length === 0) throw new ImageError("INVALID_IMAGE", "There is no frame to show.")
  checkWhole("count", count, 1)
  const columns = evenlySpaced(frames, count).map(frame => ("channels" in frame ? [frame] : frame))
  const rows = columns[0]!.length
  const odd = columns.find(({ length }) => length !== rows)
  if (odd) {
    throw new ImageError(
      "INVALID_IMAGE",
      `A frame holds ${odd.length} pictures, but the first holds ${rows}.`,
    )
  }
  const images = Array.from({ length: rows }, (_, row) => columns.map(column => column[row]!)).flat()
  return makeGrid(images, { ...look, columns: columns.length })
}

/** `count` of the items, or all where they are fewer; the last is always there. */
function evenlySpaced<T>(items: readonly T[], count: number): T[] {
  if (count >= items.length) return [...items]
  const last = items.length - 1
  const step = count === 1 ? 0 : last / (count - 1)
  return Array.from({ length: count }, (_, i) => items[last - Math.round((count - 1 - i) * step)]!)
}
