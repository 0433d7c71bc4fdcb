import { type GridOptions, makeGrid } from "./grid.ts"
import type { Image } from "./image.ts"

/** The look of a strip. */
export interface StripOptions extends Omit<GridOptions, "columns"> {
  /** How many frames to show, evenly spaced, the first and the last among them; by default all. */
  readonly count?: number
}

/**
 * Shows how pictures come out of noise: one row per sample, from the first frame on the left to the last.
 *
 * @param frames - What each step gave: a picture, or one for each sample of the batch.
 */
export function denoisingStrip(
  frames: readonly (Image | readonly Image[])[],
  { count = frames.length, ...look }: StripOptions = {},
): Image {
  const shown = Array.from(
    { length: count },
    (_, i) => frames[Math.round((i * (frames.length - 1)) / (count - 1))]!,
  )
  const columns = shown.map(frame => ("width" in frame ? [frame] : frame))
  const rows = columns[0]!.map((_, row) => columns.map(column => column[row]!))
  return makeGrid(rows.flat(), { ...look, columns: columns.length })
}
