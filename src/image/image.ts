import { drawOnCanvas, encodeImage } from "#platform/image-codec"
import { saveImageFile } from "#platform/image-file"
import { InputError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { convertChannels } from "./channels.ts"
import { ImageError } from "./errors.ts"
import type { ImageChannels, ImageType, Pixels } from "./pixels.ts"
import type { ImageReadLimits, ImageSource } from "./read.ts"
import { pixelsToTensor, type TensorRange, tensorToPixels } from "./tensor-pixels.ts"

/** Options of {@link Image.read}. */
export interface ImageReadOptions extends ImageReadLimits {
  /** Converts to this many channels; by default the file's own are kept. */
  readonly channels?: ImageChannels
}

/** Options of writing JPEG and WebP. */
export interface ImageEncodeOptions {
  /** From 1 to 100; by default 90. PNG is lossless and ignores it. */
  readonly quality?: number
}

/** An immutable picture with 8 bits per channel: grey, grey and alpha, RGB, or RGB and alpha. */
export class Image implements Pixels {
  readonly width: number
  readonly height: number
  readonly channels: ImageChannels
  /** `height` rows of `width` pixels of `channels` bytes (HWC). Read it, never write to it. */
  readonly data: Uint8Array

  /**
   * @param pixels - The data is copied.
   * @throws ImageError `INVALID_IMAGE` when sizes, channels and length do not agree.
   */
  constructor({ width, height, channels, data }: Pixels) {
    const whole = (size: number) => Number.isSafeInteger(size) && size > 0
    if (!whole(width) || !whole(height) || !whole(channels) || channels > 4) {
      throw new ImageError("INVALID_IMAGE", `A picture cannot be ${width} × ${height} × ${channels}.`, {
        hint: "Give a width and a height from 1 up and 1 to 4 channels.",
      })
    }
    if (data.length !== width * height * channels) {
      throw new ImageError(
        "INVALID_IMAGE",
        `A picture of ${width} × ${height} × ${channels} needs ${width * height * channels} bytes, but ${data.length} were given.`,
      )
    }
    this.width = width
    this.height = height
    this.channels = channels
    this.data = new Uint8Array(data)
  }

  /**
   * Reads a PNG, JPEG or WebP file, upright: from a path (in a browser, of the origin private file system), a URL, or
   * its bytes. The bounds on its size hold before anything is decoded. In Node, JPEG and WebP need the package sharp;
   * a browser reads grey ones as RGB.
   *
   * @throws ImageError `UNSUPPORTED_FORMAT`, `CORRUPT_IMAGE`, `TOO_LARGE`, `DOWNLOAD_FAILED`
   * @throws FileError when the path cannot be read
   * @throws AbortError
   */
  static async read(source: ImageSource, options: ImageReadOptions = {}): Promise<Image> {
    const { readPixels } = await import("./read.ts")
    const pixels = await readPixels(source, options)
    return new Image(convertChannels(pixels, options.channels ?? pixels.channels))
  }

  /**
   * The pictures of a tensor of shape [N, C, H, W] or [C, H, W], one for each batch entry: clamped, scaled to 255 and
   * rounded half to even, as Diffusers does it.
   *
   * @param options - `range` is what black and white are in the tensor, by default [0, 1]; `auto` stretches each
   * picture from its least to its greatest number, which shows noise of any scale.
   * @throws ImageError `INVALID_TENSOR` when the shape or type is not that, or a number is NaN.
   */
  static fromTensor(
    tensor: Tensor,
    { range = [0, 1] }: { readonly range?: TensorRange | "auto" } = {},
  ): Image[] {
    return tensorToPixels(tensor, range).map(pixels => new Image(pixels))
  }

  /** A float32 tensor of shape [1, C, H, W]; `range` is what black and white become, by default [0, 1]. */
  toTensor({ range = [0, 1] }: { readonly range?: TensorRange } = {}): Tensor<"float32"> {
    return pixelsToTensor(this, range)
  }

  /**
   * The same picture with other channels: grey spreads over RGB, RGB becomes grey by its luma (ITU-R BT.601, as in
   * PIL), a new alpha is opaque, and one that goes is dropped without blending.
   */
  toChannels(channels: ImageChannels): Image {
    return channels === this.channels ? this : new Image(convertChannels(this, channels))
  }

  /** A PNG file, with the same bytes in Node and in every browser. */
  async toPng(): Promise<Uint8Array<ArrayBuffer>> {
    const { encodePng } = await import("./png.ts")
    return encodePng(this)
  }

  /**
   * A file of the given type.
   *
   * @throws ImageError `UNSUPPORTED_FORMAT` when the platform cannot write the type.
   */
  async toBlob(type: ImageType = "image/png", options: ImageEncodeOptions = {}): Promise<Blob> {
    return new Blob([await this.#encode(type, options)], { type })
  }

  /**
   * A canvas that shows the picture; browsers only.
   *
   * @throws ImageError `UNSUPPORTED_PLATFORM` in Node.
   */
  toCanvas(): OffscreenCanvas {
    return drawOnCanvas(this)
  }

  /**
   * Writes a file whose type follows from the ending of `path` (.png, .jpg, .jpeg, .webp), whole or not at all, and
   * makes its folder where it is missing. In a browser it becomes a download.
   *
   * @throws ImageError `UNSUPPORTED_FORMAT`
   * @throws FileError when the path cannot be written to
   */
  async save(path: string, options: ImageEncodeOptions = {}): Promise<void> {
    const type = typeOfPath(path)
    await saveImageFile(path, await this.#encode(type, options), type)
  }

  async #encode(type: ImageType, { quality = 90 }: ImageEncodeOptions): Promise<Uint8Array<ArrayBuffer>> {
    if (!(quality >= 1 && quality <= 100)) {
      throw new InputError("INVALID_ARGUMENT", `The quality is ${quality}.`, {
        hint: "Give a number from 1 to 100.",
      })
    }
    return type === "image/png" ? await this.toPng() : await encodeImage(this, type, quality)
  }
}

const typeByExtension: Readonly<Record<string, ImageType>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
}

function typeOfPath(path: string): ImageType {
  const type = typeByExtension[/\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""]
  if (type === undefined) {
    throw new ImageError(
      "UNSUPPORTED_FORMAT",
      `The name ${path} does not end like a picture that can be written.`,
      {
        hint: "Use .png, .jpg, .jpeg or .webp.",
      },
    )
  }
  return type
}
