// The mask of a picture to inpaint: 1 where it is to be filled.

interface Size {
  readonly width: number
  readonly height: number
}

/** The mask for the same picture in another size; a pixel that was painted in part is painted. */
export function resizeMask(mask: Uint8Array, from: Size, to: Size): Uint8Array<ArrayBuffer> {
  const resized = new Uint8Array(to.width * to.height)
  for (let i = 0; i < resized.length; i++) {
    const [top, bottom] = share(Math.floor(i / to.width), from.height, to.height)
    const [left, right] = share(i % to.width, from.width, to.width)
    for (let row = top; row < bottom; row++)
      resized[i] ||= Number(mask.subarray(row * from.width + left, row * from.width + right).includes(1))
  }
  return resized
}

/** Which of `from` pixels in a row lie under one of `to`. */
function share(at: number, from: number, to: number): readonly [first: number, end: number] {
  return [Math.floor((at * from) / to), Math.ceil(((at + 1) * from) / to)]
}
