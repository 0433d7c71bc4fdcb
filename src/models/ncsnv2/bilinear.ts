import type { GraphBuilder, Value } from "../../graph/builder.ts"
import { matmul } from "../../graph/ops/matmul.ts"
import { imageSize } from "../layers.ts"

/**
 * Brings an image [N, C, h, w] to `size` by linear interpolation along both axes, as a product with one matrix each.
 *
 * @param alignCorners whether the centres of the outermost pixels stay where they are, or the edges of the image.
 */
export function bilinearResize(
  x: Value,
  [height, width]: readonly [height: number, width: number],
  alignCorners: boolean,
): Value {
  const [h, w] = imageSize(x)
  const rows = h === height ? x : matmul(interpolation(x.builder, h, height, alignCorners, "rows"), x)
  return w === width ? rows : matmul(rows, interpolation(x.builder, w, width, alignCorners, "columns"))
}

// [to, from] for rows, which multiply from the left; [from, to] for columns.
function interpolation(
  builder: GraphBuilder,
  from: number,
  to: number,
  alignCorners: boolean,
  axis: "rows" | "columns",
): Value {
  return builder.shared(`${axis} ${from} → ${to}, corners ${alignCorners}`, () => {
    const data = new Float32Array(from * to)
    for (let i = 0; i < to; i++) {
      const at = alignCorners ? (i * (from - 1)) / (to - 1) : ((i + 0.5) * from) / to - 0.5
      const position = Math.min(Math.max(at, 0), from - 1)
      const first = Math.min(Math.floor(position), Math.max(from - 2, 0))
      const share = position - first
      const set = (j: number, weight: number): void => {
        data[axis === "rows" ? i * from + j : j * to + i] = weight
      }
      set(first, 1 - share)
      if (share > 0) set(first + 1, share)
    }
    return builder.constant("float32", axis === "rows" ? [to, from] : [from, to], data)
  })
}
