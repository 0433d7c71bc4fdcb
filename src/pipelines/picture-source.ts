import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { Image } from "../image/image.ts"
import type { Pixels } from "../image/pixels.ts"
import type { ImageSource } from "../image/read.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { joinRows } from "./batches.ts"
import { pictureTensor } from "./picture-input.ts"

/** A picture: a file (a path, a URL or its bytes), or one that has been read. */
type OnePicture = ImageSource | Pixels

/**
 * Pictures in the forms that people have: files (paths, URLs or their bytes) or `Image` values, one or several, or a
 * tensor [N, C, H, W], [N, H, W, C] or [C, H, W], of floats in [0, 1] or of bytes (uint8).
 */
export type PictureSource = OnePicture | readonly OnePicture[] | Tensor

/** Pictures of one call. */
export type ReadPictures = readonly [Image, ...Image[]] | Tensor

/**
 * Reads what has to be read.
 *
 * @param name - What errors call the pictures.
 * @throws InputError `INVALID_ARGUMENT`; ImageError, FileError; AbortError
 */
export async function readPictures(
  name: string,
  source: PictureSource,
  signal: AbortSignal | undefined,
): Promise<ReadPictures> {
  if (isObject(source) && "dtype" in source) return source
  const list: readonly OnePicture[] = Array.isArray(source) ? source : [source]
  const images: Image[] = []
  for (const one of list) images.push(await readPicture(name, one, signal))
  const [first, ...rest] = images
  if (first) return [first, ...rest]
  throw new InputError("INVALID_ARGUMENT", `The list of ${name}s is empty.`)
}

async function readPicture(name: string, one: OnePicture, signal: AbortSignal | undefined): Promise<Image> {
  if (one instanceof Image) return one
  if (isObject(one) && "channels" in one) return new Image(one)
  if (typeof one === "string" || fileKinds.some(kind => one instanceof kind)) {
    return Image.read(one as ImageSource, { signal })
  }
  throw new InputError("INVALID_ARGUMENT", `The ${name} is ${describeValue(one)}.`, {
    hint: "Give a path, a URL, the bytes of a file, an Image or a tensor.",
  })
}

const fileKinds = [URL, Uint8Array, ArrayBuffer, Blob] as const

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null
}

/**
 * Pictures in the shape of a model's, with numbers in [0, 1]: grey ones are spread over the model's channels.
 *
 * @param shape - [C, H, W].
 * @returns [N, C, H, W]
 * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
 */
export function picturesOfShape(
  pictures: ReadPictures,
  shape: readonly [channels: number, height: number, width: number],
): Tensor<"float32"> {
  if (!("dtype" in pictures)) return pictureTensor(pictures, shape)
  const batch = withBatch(pictures) as Tensor<"float32"> | Tensor<"uint8">
  const [channels, height, width] = shape
  if (channels === 1 || batch.shape[1] !== 1 || batch.shape[2] !== height) return pictureTensor(batch, shape)
  return spread(pictureTensor(batch, [1, height, width]), channels)
}

/** [C, H, W] as [1, C, H, W]. */
function withBatch(tensor: Tensor): Tensor {
  return tensor.shape.length === 3 ? { ...tensor, shape: [1, ...tensor.shape] } : tensor
}

/**
 * 1 where a picture is opaque, from half on, else 0: [N, 1, H, W]. Undefined where none has alpha.
 */
export function opaqueParts(pictures: ReadPictures): Tensor<"float32"> | undefined {
  if ("dtype" in pictures || !pictures.some(({ channels }) => channels % 2 === 0)) return undefined
  return joinRows(pictures.map(image => thresholded(image, (_grey, alpha) => alpha)))
}

/** 1 where a number made of grey and alpha is at least half of 255, else 0: [1, 1, H, W]. */
export function thresholded(image: Image, level: (grey: number, alpha: number) => number): Tensor<"float32"> {
  const { width, height, data } = image.toChannels(2)
  const ones = new Float32Array(width * height)
  for (let i = 0; i < ones.length; i++) ones[i] = level(data[2 * i]!, data[2 * i + 1]!) >= 127.5 ? 1 : 0
  return { dtype: "float32", shape: [1, 1, height, width], data: ones }
}

/** Grey pictures with the same in every channel. */
function spread({ dtype, shape, data }: Tensor<"float32">, channels: number): Tensor<"float32"> {
  const [count = 1, , height = 1, width = 1] = shape
  const wanted = [count, channels, height, width]
  const plane = height * width
  const all = new Float32Array(elementCount(wanted))
  for (let p = 0; p < count * channels; p++) {
    const from = Math.floor(p / channels) * plane
    all.set(data.subarray(from, from + plane), p * plane)
  }
  return { dtype, shape: wanted, data: all }
}
