import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { ImageError } from "./errors.ts"
import type { ImageChannels, Pixels } from "./pixels.ts"

/** The numbers that black and white stand for in a tensor: [0, 1] in score_sde's VE models, [-1, 1] in DDPM. */
export type TensorRange = readonly [black: number, white: number]

/**
 * The bytes of each picture in a tensor of shape [N, C, H, W] or [C, H, W]: clamped to [0, 1], times 255, rounded half
 * to even, all in float32 as NumPy does it for Diffusers.
 *
 * @param range - What black and white are in the tensor; `auto` takes each picture's own least and greatest number.
 * @throws ImageError `INVALID_TENSOR` for other shapes and element types, no pixels, or numbers that are NaN.
 * @throws InputError `INVALID_ARGUMENT` when the range is none.
 */
export function tensorToPixels(tensor: Tensor, range: TensorRange | "auto"): Pixels[] {
  if (range !== "auto") checkRange(range)
  const [count, channels, height, width] = pictureShape(tensor)
  const values = tensor.data as Float32Array
  const plane = height * width
  return Array.from({ length: count }, (_, n) => {
    const start = n * channels * plane
    const picture = values.subarray(start, start + channels * plane)
    const [black, white] = range === "auto" ? extremes(picture) : range
    const span = white - black
    // Clamps to [0, 255] and rounds half to even by itself.
    const bytes = new Uint8ClampedArray(channels * plane)
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) {
        const value = Math.fround(Math.fround(picture[c * plane + i]! - black) / span)
        if (Number.isNaN(value)) throw notANumber(tensor, n, c, i, width)
        bytes[i * channels + c] = Math.fround(value * 255)
      }
    }
    return { width, height, channels, data: new Uint8Array(bytes.buffer) }
  })
}

/**
 * A float32 tensor of shape [1, C, H, W] in which byte 0 is black and byte 255 is white.
 *
 * @throws InputError `INVALID_ARGUMENT` when the range is none.
 */
export function pixelsToTensor(
  { width, height, channels, data }: Pixels,
  range: TensorRange,
): Tensor<"float32"> {
  checkRange(range)
  const [black, white] = range
  const level = Float32Array.from(
    { length: 256 },
    (_, byte) => Math.fround(byte / 255) * (white - black) + black,
  )
  const plane = height * width
  const values = new Float32Array(channels * plane)
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane; i++) values[c * plane + i] = level[data[i * channels + c]!]!
  }
  return { dtype: "float32", shape: [1, channels, height, width], data: values }
}

function checkRange([black, white]: TensorRange): void {
  if (!Number.isFinite(black) || !Number.isFinite(white) || black === white) {
    throw new InputError("INVALID_ARGUMENT", `Black cannot be ${black} where white is ${white}.`, {
      hint: "Give a range of two different numbers, such as [0, 1] or [-1, 1].",
    })
  }
}

function pictureShape({ dtype, shape }: Tensor): [number, ImageChannels, number, number] {
  const [count, channels, height, width] = shape.length === 3 ? [1, ...shape] : shape
  if (
    dtype !== "float32" ||
    (shape.length !== 3 && shape.length !== 4) ||
    !(channels === 1 || channels === 2 || channels === 3 || channels === 4) ||
    !height ||
    !width
  ) {
    throw new ImageError(
      "INVALID_TENSOR",
      `A ${dtype} tensor of shape [${shape.join(", ")}] holds no pictures.`,
      {
        hint: "Give a float32 tensor of shape [N, C, H, W] or [C, H, W] with 1 to 4 channels.",
      },
    )
  }
  return [count!, channels, height, width]
}

function extremes(values: Float32Array): [number, number] {
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value < least) least = value
    if (value > greatest) greatest = value
  }
  return least < greatest ? [least, greatest] : [least, least + 1]
}

function notANumber({ shape }: Tensor, n: number, channel: number, i: number, width: number): ImageError {
  const place = `picture ${n}, channel ${channel}, row ${Math.floor(i / width)}, column ${i % width}`
  return new ImageError(
    "INVALID_TENSOR",
    `The tensor of shape [${shape.join(", ")}] is not a number at ${place}.`,
    {
      hint: "A network in fp16 can overflow, and so can a schedule that does not fit the model: try fp32 first.",
    },
  )
}
