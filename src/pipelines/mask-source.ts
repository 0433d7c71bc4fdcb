import { InputError } from "../errors.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { joinRows } from "./batches.ts"
import { type PictureSource, readPictures, thresholded } from "./picture-source.ts"

/**
 * Masks as zeros and ones. Of a picture, what is white is 1, from half of the brightness on, and what is transparent is
 * 0. A tensor [H, W], [N or 1, H, W] or [N, C or 1, H, W] of any type holds nothing but zeros and ones.
 *
 * @param shape - [C, H, W] of the pictures.
 * @returns [N, 1, H, W] or [N, C, H, W]
 * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`; ImageError, FileError; AbortError
 */
export async function readMasks(
  source: PictureSource,
  shape: readonly [channels: number, height: number, width: number],
  signal: AbortSignal | undefined,
): Promise<Tensor<"float32">> {
  const read = await readPictures("mask", source, signal)
  if ("dtype" in read) return maskTensor(read, shape)
  const [, height, width] = shape
  for (const [i, image] of read.entries()) {
    if (image.width === width && image.height === height) continue
    throw new InputError(
      "SHAPE_MISMATCH",
      `Mask ${i} is ${image.height} × ${image.width}, but the model's pictures are ${height} × ${width}.`,
      { hint: "Give a mask of the picture's size." },
    )
  }
  return joinRows(read.map(image => thresholded(image, (grey, alpha) => (grey * alpha) / 255)))
}

function maskTensor(tensor: Tensor, shape: readonly [number, number, number]): Tensor<"float32"> {
  const [channels, height, width] = shape
  const { dtype } = tensor
  // Masks of one channel, one after the other, are [N, H, W].
  const given = tensor.shape.length < 4 ? planes(tensor) : tensor
  const [count = 0, found = 0, ...size] = given.shape
  const fits = (found === 1 || found === channels) && size.join() === [height, width].join()
  if (count === 0 || !fits || tensor.data.length !== elementCount(given.shape)) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `The mask has the shape [${tensor.shape.join(", ")}], but the model's pictures are [N, ${shape.join(", ")}].`,
      { hint: "Give [H, W], [N, H, W], [N, 1, H, W], or one for each channel." },
    )
  }
  const data = Float32Array.from(tensor.data as ArrayLike<number | bigint>, Number)
  const odd = data.findIndex(value => value !== 0 && value !== 1)
  if (odd < 0) return { dtype: "float32", shape: given.shape, data }
  throw new InputError(
    "INVALID_ARGUMENT",
    `The mask holds the ${dtype} ${data[odd]}, but is of zeros and ones.`,
    {
      hint: "Compare it with a threshold first.",
    },
  )
}

/** [H, W] or [N, H, W] as [N, 1, H, W]. */
function planes(tensor: Tensor): Tensor {
  const [count, height, width] = [1, ...tensor.shape].slice(-3) as number[]
  return { ...tensor, shape: [count!, 1, height!, width!] }
}
