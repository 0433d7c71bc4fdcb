import { InputError } from "../errors.ts"
import { elementCount, type Tensor } from "../tensor.ts"
import { zerosLike } from "./batch.ts"

/**
 * What is known of a picture x: y = A·x for a linear A. It is told by a picture with the same y and by the orthogonal
 * projection P = A⁺A, which keeps what A sees of a picture and drops the rest.
 */
export interface Measurement {
  /** A picture, in the range that the model was trained on, of which only P·data counts; [B, …]. */
  readonly data: Tensor<"float32">
  /** P·x, shaped like x. */
  readonly known: (x: Tensor<"float32">) => Tensor<"float32">
  /** What score_sde does in another way; for runs that are to equal its own. */
  readonly compat?: CompatMeasurement | undefined
}

/** Where score_sde departs from {@link Measurement}. */
export interface CompatMeasurement {
  /** The part of the prior sample that sampling starts from, besides P·data. Default x − P·x. */
  readonly unknownStart?: (prior: Tensor<"float32">) => Tensor<"float32">
  /** The noise of the known part, from a draw that is shaped like x. Default P·z. */
  readonly knownNoise?: (z: Tensor<"float32">) => Tensor<"float32">
}

/**
 * Some pixels are known.
 *
 * @param data - [B, C, H, W]; finite everywhere, but used only where the mask is 1.
 * @param mask - 1 where a pixel is known, 0 where it is to be filled; shaped like `data`, or with 1 in place of an
 *   axis that is to be repeated.
 * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
 */
export function inpainting(data: Tensor<"float32">, mask: Tensor<"float32">): Measurement {
  const weights = expandMask(mask, data.shape)
  if (!weights.every(weight => weight === 0 || weight === 1)) {
    throw new InputError("INVALID_ARGUMENT", "The mask holds other numbers than 0 and 1.", {
      hint: "1 marks a pixel that is known, 0 one that is to be filled.",
    })
  }
  return { data, known: x => ({ ...x, data: x.data.map((value, i) => value * weights[i]!) }) }
}

/**
 * The mean over the channels is known: colours are to be found for a grey picture.
 *
 * @param gray - [B, C, H, W]: the grey picture in every channel, or any picture whose channels have that mean.
 * @throws InputError `SHAPE_MISMATCH`
 */
export function colorization(gray: Tensor<"float32">): Measurement {
  const channels = requireImages(gray)[1]
  return {
    data: gray,
    known: channelMeans,
    // score_sde works in rotated colours, of which the first is the known √C·mean, but draws and masks noise as if
    // they were red, green and blue.
    compat: {
      unknownStart: prior => scaleChannels(prior, c => (c === 0 ? 0 : 1)),
      knownNoise: z => channelMeans(scaleChannels(z, c => (c === 0 ? Math.sqrt(channels) : 0))),
    },
  }
}

/**
 * The means over windows of pixels are known: super-resolution of a picture that was made smaller that way.
 *
 * @param small - [B, C, H, W]
 * @param factor - The side of a window; the picture to be found is [B, C, factor·H, factor·W].
 * @throws InputError `SHAPE_MISMATCH`, `INVALID_ARGUMENT`
 */
export function averagePooling(small: Tensor<"float32">, factor: number): Measurement {
  const [batch, channels, height, width] = requireImages(small)
  if (!Number.isInteger(factor) || factor < 1) {
    throw new InputError("INVALID_ARGUMENT", `factor is ${factor}, but must be a whole number from 1 up.`)
  }
  const shape = [batch, channels, height * factor, width * factor]
  const data = new Float32Array(elementCount(shape))
  for (let i = 0; i < data.length; i++) {
    const column = Math.floor((i % (width * factor)) / factor)
    const row = Math.floor(i / (width * factor * factor))
    data[i] = small.data[row * width + column]!
  }
  return {
    data: { dtype: "float32", shape, data },
    known: x => windowMeans(x, factor),
  }
}

/**
 * Any other linear measurement.
 *
 * @param y - What was measured: A of the picture that is to be found.
 * @param measure - A.
 * @param pseudoInverse - A⁺, the Moore–Penrose inverse: of all pictures that give y, the one with the least norm.
 */
export function linearMeasurement(
  y: Tensor<"float32">,
  measure: (x: Tensor<"float32">) => Tensor<"float32">,
  pseudoInverse: (y: Tensor<"float32">) => Tensor<"float32">,
): Measurement {
  return { data: pseudoInverse(y), known: x => pseudoInverse(measure(x)) }
}

function requireImages({ shape }: Tensor): readonly [number, number, number, number] {
  if (shape.length !== 4) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `A picture has the shape [${shape.join(", ")}], but [batch, channels, height, width] is needed.`,
    )
  }
  return shape as readonly number[] as readonly [number, number, number, number]
}

/** A mask's value for each element of `shape`. */
function expandMask(mask: Tensor<"float32">, shape: readonly number[]): Float32Array {
  const fits =
    mask.shape.length === shape.length && mask.shape.every((size, axis) => size === shape[axis] || size === 1)
  if (!fits) {
    throw new InputError(
      "SHAPE_MISMATCH",
      `The mask has the shape [${mask.shape.join(", ")}], but the picture has [${shape.join(", ")}].`,
      { hint: "Give a mask of the same size; an axis of size 1 is repeated." },
    )
  }
  const weights = new Float32Array(elementCount(shape))
  for (let i = 0; i < weights.length; i++) {
    let [rest, place, stride] = [i, 0, 1]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = mask.shape[axis]!
      if (size > 1) place += (rest % shape[axis]!) * stride
      rest = Math.floor(rest / shape[axis]!)
      stride *= size
    }
    weights[i] = mask.data[place]!
  }
  return weights
}

/** Each channel replaced by the mean of all. */
function channelMeans(x: Tensor<"float32">): Tensor<"float32"> {
  const [batch, channels, height, width] = requireImages(x)
  const result = zerosLike(x)
  const pixels = height * width
  for (let b = 0; b < batch; b++) {
    for (let p = 0; p < pixels; p++) {
      const first = b * channels * pixels + p
      const end = first + channels * pixels
      let sum = 0
      for (let i = first; i < end; i += pixels) sum += x.data[i]!
      for (let i = first; i < end; i += pixels) result.data[i] = sum / channels
    }
  }
  return result
}

/** Each pixel replaced by the mean over its window of side `side`. */
function windowMeans(x: Tensor<"float32">, side: number): Tensor<"float32"> {
  const [, , , width] = requireImages(x)
  const result = zerosLike(x)
  const rows = x.data.length / width
  for (let top = 0; top < rows; top += side) {
    for (let left = 0; left < width; left += side) {
      let sum = 0
      for (let row = top; row < top + side; row++) {
        for (let i = row * width + left, end = i + side; i < end; i++) sum += x.data[i]!
      }
      const mean = sum / side ** 2
      for (let row = top; row < top + side; row++) {
        const start = row * width + left
        result.data.fill(mean, start, start + side)
      }
    }
  }
  return result
}

function scaleChannels(x: Tensor<"float32">, factor: (channel: number) => number): Tensor<"float32"> {
  const [, channels, height, width] = requireImages(x)
  const pixels = height * width
  return { ...x, data: x.data.map((value, i) => value * factor(Math.floor(i / pixels) % channels)) }
}
