import type { Sharp } from "sharp"
import { ImageError } from "../../image/errors.ts"
import type { ImageType, Pixels } from "../../image/pixels.ts"

/** Encodes to JPEG or WebP; JPEG has no alpha, so it is laid on white. */
export async function encodeImage(
  { width, height, channels, data }: Pixels,
  type: Exclude<ImageType, "image/png">,
  quality: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const sharp = await loadSharp()
  const picture = sharp(data, { raw: { width, height, channels } })
  const encoded =
    type === "image/jpeg"
      ? picture.flatten({ background: "#fff" }).jpeg({ quality })
      : picture.webp({ quality })
  return new Uint8Array(await encoded.toBuffer())
}

/** Decodes a JPEG or WebP file, upright and in sRGB. */
export async function decodeImage(bytes: Uint8Array, maxPixels: number): Promise<Pixels> {
  const sharp = await loadSharp()
  let picture: Sharp = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error" }).autoOrient()
  const { space } = await picture.metadata()
  picture = picture.toColourspace(space === "b-w" ? "b-w" : "srgb")
  const { data, info } = await picture.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true })
  return {
    width: info.width,
    height: info.height,
    channels: info.channels as Pixels["channels"],
    data: new Uint8Array(data.buffer, data.byteOffset, data.length),
  }
}

/** @throws ImageError `UNSUPPORTED_PLATFORM`: Node has no canvas. */
export function drawOnCanvas(_pixels: Pixels): OffscreenCanvas {
  throw new ImageError("UNSUPPORTED_PLATFORM", "Node has no canvas to draw a picture on.", {
    hint: "Use toPng(), toBlob() or save() here, or toTensor() for its numbers.",
  })
}

async function loadSharp(): Promise<typeof import("sharp").default> {
  try {
    return (await import("sharp")).default
  } catch (cause) {
    throw new ImageError("UNSUPPORTED_FORMAT", "JPEG and WebP need the package sharp, which did not load.", {
      hint: "Install it with `npm install sharp`, or use PNG.",
      cause,
    })
  }
}
