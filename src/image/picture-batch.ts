import { InputError } from "../errors.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { Image } from "./image.ts"
import type { Pixels } from "./pixels.ts"
import type { ImageSource } from "./read.ts"

/**
 * A picture in the forms that people have: a file (a path, a URL or its bytes), an `Image`, or a tensor [C, H, W] or
 * [N, C, H, W] with numbers in [0, 1], which is N pictures.
 */
export type PictureInput = ImageSource | Pixels | Tensor

/** One picture or several, which have one size. */
export type PictureInputs = PictureInput | readonly PictureInput[]

/** Pictures as a batch. */
export interface PictureBatch {
  /** [N, C, H, W], in [0, 1]. */
  readonly images: Tensor<"float32">
  /** 1 where a picture is opaque, from half on, else 0: [N, 1, H, W]. Absent where no picture has alpha. */
  readonly opaque?: Tensor<"float32"> | undefined
}

/**
 * Reads pictures as a batch with the given number of channels: grey is spread over RGB, RGB becomes grey by its luma,
 * alpha is taken apart.
 *
 * @throws InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`; ImageError, FileError; AbortError
 */
export async function readPictureBatch(
  inputs: PictureInputs,
  channels: number,
  signal?: AbortSignal,
): Promise<PictureBatch> {
  const read = await readAll("The picture", inputs, signal)
  const images = concatenate(
    "picture",
    read.map(one => (one instanceof Image ? imageTensor(one, channels) : pictureTensor(one, channels))),
  )
  const hasAlpha = read.some(one => one instanceof Image && one.channels % 2 === 0)
  if (!hasAlpha) return { images }
  const opaque = read.map(one => (one instanceof Image ? [thresholded(one, "alpha")] : opaquePictures(one)))
  return { images, opaque: concatenate("picture", opaque.flat()) }
}

/**
 * Reads masks as a batch of zeros and ones, [N, 1, H, W], or [N, C, H, W] for a tensor that has a mask for each channel.
 * Of a picture, what is white is 1, from half of the brightness on; where it is transparent it counts as black. A tensor
 * [H, W], [C, H, W] or [N, C, H, W] of any type holds nothing but zeros and ones.
 *
 * @throws InputError `INVALID_ARGUMENT`, `SHAPE_MISMATCH`; ImageError, FileError; AbortError
 */
export async function readMaskBatch(inputs: PictureInputs, signal?: AbortSignal): Promise<Tensor<"float32">> {
  const read = await readAll("The mask", inputs, signal)
  return concatenate(
    "mask",
    read.map(one => (one instanceof Image ? thresholded(one, "white") : maskTensor(one))),
  )
}

async function readAll(
  name: string,
  inputs: PictureInputs,
  signal: AbortSignal | undefined,
): Promise<readonly (Image | Tensor)[]> {
  const list: readonly PictureInput[] = Array.isArray(inputs) ? inputs : [inputs]
  if (list.length === 0) throw new InputError("INVALID_ARGUMENT", `${name} is missing: the list is empty.`)
  const read: (Image | Tensor)[] = []
  for (const input of list) {
    if (input instanceof Image) read.push(input)
    else if (isTensor(input)) read.push(input)
    else if (isPixels(input)) read.push(new Image(input))
    else if (isSource(input)) read.push(await Image.read(input, { signal }))
    else {
      throw new InputError("INVALID_ARGUMENT", `${name} is ${describe(input)}.`, {
        hint: "Give a path, a URL, the bytes of a file, an Image or a tensor.",
      })
    }
  }
  return read
}

function isTensor(input: PictureInput): input is Tensor {
  return typeof input === "object" && input !== null && "shape" in input && "dtype" in input
}

function isPixels(input: PictureInput): input is Pixels {
  return typeof input === "object" && input !== null && "width" in input && "channels" in input
}

function isSource(input: unknown): input is ImageSource {
  return typeof input === "string" || [URL, Uint8Array, ArrayBuffer, Blob].some(kind => input instanceof kind)
}

function describe(input: unknown): string {
  return input === null || typeof input !== "object"
    ? String(input)
    : `a ${input.constructor?.name ?? "thing"}`
}

function imageTensor(image: Image, channels: number): Tensor<"float32"> {
  if (channels === 1 || channels === 3) return image.toChannels(channels).toTensor()
  throw new InputError(
    "SHAPE_MISMATCH",
    `The model's pictures have ${channels} channels, which no file and no Image has.`,
    { hint: "Give a tensor [N, C, H, W]." },
  )
}

/** A tensor of pictures as [N, channels, H, W]. */
function pictureTensor(tensor: Tensor, channels: number): Tensor<"float32"> {
  const { dtype, shape } = tensor
  const [count, found, height, width] = fourAxes("The picture", tensor, 3)
  if (dtype !== "float32") {
    throw new InputError("INVALID_ARGUMENT", `The picture is a ${dtype} tensor, but must be float32.`)
  }
  const data = tensor.data as Float32Array
  const odd = data.findIndex(value => !(value >= 0 && value <= 1))
  if (odd >= 0) {
    throw new InputError("INVALID_ARGUMENT", `The picture holds ${data[odd]}, but goes from 0 to 1.`, {
      hint: "0 is black and 1 is white, whatever the range that the model was trained on.",
    })
  }
  if (found === channels) return { dtype, shape: [count, found, height, width], data }
  if (found !== 1) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `The picture has the shape [${shape.join(", ")}], but the model's pictures have ${channels} channels.`,
    )
  }
  return spread({ dtype, shape: [count, 1, height, width], data }, channels)
}

/** Grey pictures with the same in every channel. */
function spread({ dtype, shape, data }: Tensor<"float32">, channels: number): Tensor<"float32"> {
  const [count = 1, , height = 1, width = 1] = shape
  const plane = height * width
  const all = new Float32Array(count * channels * plane)
  for (let p = 0; p < count * channels; p++) {
    const from = Math.floor(p / channels) * plane
    all.set(data.subarray(from, from + plane), p * plane)
  }
  return { dtype, shape: [count, channels, height, width], data: all }
}

function opaquePictures(tensor: Tensor): Tensor<"float32"> {
  const [count, , height, width] = fourAxes("The picture", tensor, 3)
  const shape = [count, 1, height, width]
  return { dtype: "float32", shape, data: new Float32Array(elementCount(shape)).fill(1) }
}

/** 1 where a picture is opaque, or where it is white, from half on. */
function thresholded(image: Image, what: "alpha" | "white"): Tensor<"float32"> {
  const { width, height, data } = image.toChannels(2)
  const ones = new Float32Array(width * height)
  for (let i = 0; i < ones.length; i++) {
    const [grey, alpha] = [data[2 * i]!, data[2 * i + 1]!]
    ones[i] = (what === "alpha" ? alpha : (grey * alpha) / 255) >= 127.5 ? 1 : 0
  }
  return { dtype: "float32", shape: [1, 1, height, width], data: ones }
}

function maskTensor(tensor: Tensor): Tensor<"float32"> {
  const shape = fourAxes("The mask", tensor, 2)
  const data = Float32Array.from(tensor.data as ArrayLike<number | bigint>, Number)
  const odd = data.findIndex(value => value !== 0 && value !== 1)
  if (odd < 0) return { dtype: "float32", shape, data }
  throw new InputError("INVALID_ARGUMENT", `The mask holds ${data[odd]}, but a mask is of zeros and ones.`, {
    hint: "Compare it with a threshold first.",
  })
}

/** A shape with sizes of 1 put before it; a tensor has at least `least` axes of its own. */
function fourAxes(name: string, { shape, data }: Tensor, least: number): [number, number, number, number] {
  if (shape.length >= least && shape.length <= 4 && data.length > 0 && data.length === elementCount(shape)) {
    const before: number[] = Array(4 - shape.length).fill(1)
    return [...before, ...shape] as [number, number, number, number]
  }
  throw new InputError("SHAPE_MISMATCH", `${name} is a tensor of shape [${shape.join(", ")}].`, {
    hint: `Give [N, C, H, W]${least === 2 ? ", [C, H, W] or [H, W]" : " or [C, H, W]"}.`,
  })
}

/** All in one batch. */
function concatenate(name: string, tensors: readonly Tensor<"float32">[]): Tensor<"float32"> {
  const [first] = tensors
  const one = first!.shape.slice(1)
  const odd = tensors.find(({ shape }) => shape.slice(1).join() !== one.join())
  if (odd) {
    const sizes = [odd, first!].map(({ shape }) => `[${shape.slice(1).join(", ")}]`)
    throw new InputError("SHAPE_MISMATCH", `One ${name} is ${sizes[0]}, but the first is ${sizes[1]}.`, {
      hint: `All of one call have one size.`,
    })
  }
  if (tensors.length === 1) return first!
  const count = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const data = new Float32Array(count * elementCount(one))
  let end = 0
  for (const tensor of tensors) {
    data.set(tensor.data, end)
    end += tensor.data.length
  }
  return { dtype: "float32", shape: [count, ...one], data }
}
