import { elementCount, type Tensor } from "../tensor.ts"

/** The strides, in elements, of a dense row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

/** The strides, in elements, of a dense column-major (Fortran) array. */
export function columnMajorStrides(shape: readonly number[]): number[] {
  return rowMajorStrides(shape.toReversed()).reverse()
}

/** Whether elements with these strides lie one after the other in row-major order. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const expected = rowMajorStrides(shape)
  return (
    shape.every((size, axis) => size === 1 || strides[axis] === expected[axis]) || elementCount(shape) === 0
  )
}

/** Elements from the first to the last that is addressed, both included; 0 for an empty shape. */
export function stridedExtent(shape: readonly number[], strides: readonly number[]): number {
  if (elementCount(shape) === 0) return 0
  return shape.reduce((extent, size, axis) => extent + (size - 1) * strides[axis]!, 1)
}

/**
 * The elements at `strides` of `data`, in row-major order.
 *
 * @param data At least {@link stridedExtent} elements; the first is that of index 0, 0, ….
 */
export function gatherStrided<T extends Tensor["data"]>(
  data: T,
  shape: readonly number[],
  strides: readonly number[],
): T {
  const count = elementCount(shape)
  const result = new (data.constructor as new (length: number) => T)(count)
  const rows = shape.slice(0, -1)
  const rowLength = shape.at(-1) ?? 1
  const step = strides.at(-1) ?? 1
  const index = rows.map(() => 0)
  let start = 0
  for (let done = 0; done < count; done += rowLength) {
    for (let i = 0; i < rowLength; i++) result[done + i] = data[start + i * step]!
    for (let axis = rows.length - 1; axis >= 0; axis--) {
      start += strides[axis]!
      if (++index[axis]! < rows[axis]!) break
      start -= rows[axis]! * strides[axis]!
      index[axis] = 0
    }
  }
  return result
}
