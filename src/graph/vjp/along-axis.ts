import type { Value } from "../builder.ts"
import { matmul } from "../ops/matmul.ts"
import { reshape } from "../ops/shape.ts"
import { constantLike } from "./values.ts"

/** A linear map of the elements along one axis: for every element of its output, what it takes of which input. */
export type LinearMap = readonly (readonly (readonly [input: number, factor: number])[])[]

/**
 * The transpose of a linear map along one axis, applied to `dy`.
 *
 * @param size how many elements the map's input has.
 */
export function transposedAlongAxis(dy: Value, axis: number, map: LinearMap, size: number): Value {
  const behind = dy.shape.slice(axis + 1).reduce<number>((product, n) => product * (n as number), 1)
  const count = map.length
  const matrix = new Array<number>(count * size).fill(0)
  for (const [output, terms] of map.entries()) {
    for (const [input, factor] of terms) {
      const place = behind === 1 ? output * size + input : input * count + output
      matrix[place] = matrix[place]! + factor
    }
  }
  const product =
    behind === 1
      ? matmul(reshape(dy, [-1, count]), constantLike(dy, [count, size], matrix))
      : matmul(constantLike(dy, [size, count], matrix), reshape(dy, [-1, count, behind]))
  return reshape(product, dy.shape.with(axis, size))
}
