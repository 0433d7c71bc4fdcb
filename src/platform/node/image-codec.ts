import type { default as Sharp } from "sharp"
import { corruptImage, ImageError } from "../../image/errors.ts"
import type { ImageChannels, ImageType, Pixels } from "../../image/pixels.ts"

/** Encodes as JPEG or WebP. JPEG has no alpha, so the picture is laid on white. */
export async function encodeImage(
  { width, height, channels, data }: Pixels,
  type: Exclude<ImageType, "image/png">,
  quality: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const sharp = await loadSharp()
  const picture = sharp(data, { raw: { width, height, channels } })
  const encoded =
    type === "image/webp"
      ? picture.webp({ quality })
      : picture
          .flatten({ background: "white" })
          .toColourspace(channels <= 2 ? "b-w" : "srgb")
          .jpeg({ quality })
  return new Uint8Array(await encoded.toBuffer())
}

/**
 * Decodes a JPEG or WebP file, upright and in sRGB.
 *
 * @throws ImageError `CORRUPT_IMAGE`; `UNSUPPORTED_FORMAT` without the package sharp.
 */
export async function decodeImage(
  bytes: Uint8Array,
  kind: "JPEG" | "WebP",
  maxPixels: number,
): Promise<Pixels> {
  const sharp = await loadSharp()
  try {
    const picture = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error" }).autoOrient()
    const { space } = await picture.metadata()
    const { data, info } = await picture
      .toColourspace(space === "b-w" ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true })
    const { width, height } = info
    return { width, height, channels: info.channels as ImageChannels, data: new Uint8Array(data) }
  } catch (cause) {
    throw corruptImage(kind, "cannot be decoded", cause)
  }
}

/** @throws ImageError `UNSUPPORTED_PLATFORM`: Node has no canvas. */
export function drawOnCanvas(_pixels: Pixels): OffscreenCanvas {
  throw new ImageError("UNSUPPORTED_PLATFORM", "Node has no canvas to draw a picture on.", {
    hint: "Use toPng(), toBlob() or save(), or toTensor() for its numbers.",
  })
}

async function loadSharp(): Promise<typeof Sharp> {
  try {
    return (await import("sharp")).default
  } catch (cause) {
    throw new ImageError("UNSUPPORTED_FORMAT", "JPEG and WebP need the package sharp, which did not load.", {
      hint: "Install it with `npm install sharp`, or use PNG.",
      cause,
    })
  }
}
