import { describeValue } from "../describe-value.ts"
import { InputError } from "../errors.ts"
import { Image } from "../image/image.ts"
import { elementCount, type Tensor } from "../tensor.ts"

/**
 * Pictures that are given: `Image` values, or a tensor [N, C, H, W] or [N, H, W, C], of floats in [0, 1] or of bytes
 * (uint8).
 */
export type PictureInput = Image | readonly Image[] | Tensor<"float32"> | Tensor<"uint8">

const howToGive = "Give Image values, such as await Image.read(path) returns, or one tensor [N, C, H, W]."

/**
 * Pictures in the shape of a model's, with numbers in [0, 1].
 *
 * @param shape - [C, H, W].
 * @returns [N, C, H, W]
 * @throws InputError `SHAPE_MISMATCH` for pictures of another size, `INVALID_ARGUMENT` for numbers beyond [0, 1].
 */
export function pictureTensor(
  pictures: PictureInput,
  shape: readonly [channels: number, height: number, width: number],
): Tensor<"float32"> {
  if (typeof pictures !== "object" || pictures === null) {
    throw new InputError("INVALID_ARGUMENT", `The pictures are ${describeValue(pictures)}.`, {
      hint: howToGive,
    })
  }
  if ("dtype" in pictures) return tensorOf(pictures, shape)
  const images = [pictures].flat() as readonly Image[]
  if (images.length === 0) throw new InputError("INVALID_ARGUMENT", "There are no pictures.")
  const [channels, height, width] = shape
  const size = elementCount(shape)
  const data = new Float32Array(images.length * size)
  for (const [i, image] of images.entries()) {
    if (!(image instanceof Image)) {
      throw new InputError("INVALID_ARGUMENT", `Picture ${i} is no Image.`, {
        hint: howToGive,
      })
    }
    if (image.width !== width || image.height !== height) {
      throw new InputError(
        "SHAPE_MISMATCH",
        `Picture ${i} is ${image.height} × ${image.width}, but the model's pictures are ${height} × ${width}.`,
        { hint: "Resize it first." },
      )
    }
    if (channels > 4) throw otherShape([images.length, image.channels, height, width], shape)
    data.set(image.toChannels(channels as Image["channels"]).toTensor().data, i * size)
  }
  return { dtype: "float32", shape: [images.length, ...shape], data }
}

function tensorOf(
  tensor: Tensor<"float32"> | Tensor<"uint8">,
  shape: readonly [number, number, number],
): Tensor<"float32"> {
  const [channels, height, width] = shape
  const [count = 0, ...rest] = tensor.shape
  const isFirst = rest.join() === shape.join()
  const isLast = rest.join() === [height, width, channels].join()
  if (count === 0 || !(isFirst || isLast)) throw otherShape(tensor.shape, shape)
  const values = unitNumbers(tensor)
  if (isFirst) return { dtype: "float32", shape: tensor.shape, data: values }
  const plane = height * width
  const data = new Float32Array(values.length)
  for (let n = 0, i = 0; n < count; n++) {
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < channels; c++) data[(n * channels + c) * plane + p] = values[i++]!
    }
  }
  return { dtype: "float32", shape: [count, ...shape], data }
}

function unitNumbers({ dtype, data }: Tensor<"float32"> | Tensor<"uint8">): Float32Array {
  if (dtype === "uint8") return Float32Array.from(data, byte => byte / 255)
  if (dtype !== "float32") {
    throw new InputError("INVALID_ARGUMENT", `Pictures are float32 or uint8, not ${dtype}.`)
  }
  const index = data.findIndex(value => !(value >= 0 && value <= 1))
  if (index < 0) return data as Float32Array
  throw new InputError("INVALID_ARGUMENT", `The pictures hold ${data[index]}, but go from 0 to 1.`, {
    hint: "Scale them to [0, 1], where 1 is white, or give bytes as uint8.",
  })
}

function otherShape(found: readonly number[], shape: readonly number[]): InputError {
  return new InputError(
    "SHAPE_MISMATCH",
    `The pictures have the shape [${found.join(", ")}], but the model's are [N, ${shape.join(", ")}].`,
  )
}
