import { convertChannels } from "../../image/channels.ts"
import { corruptImage, ImageError } from "../../image/errors.ts"
import type { ImageType, Pixels } from "../../image/pixels.ts"

/**
 * Encodes as JPEG or WebP. JPEG has no alpha, so the picture is laid on white.
 *
 * @throws ImageError `UNSUPPORTED_FORMAT` where the browser has no encoder for the type.
 */
export async function encodeImage(
  pixels: Pixels,
  type: Exclude<ImageType, "image/png">,
  quality: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = drawOnCanvas(pixels)
  if (type === "image/jpeg") {
    const context = context2d(canvas)
    context.globalCompositeOperation = "destination-over"
    context.fillStyle = "white"
    context.fillRect(0, 0, canvas.width, canvas.height)
  }
  const blob = await canvas.convertToBlob({ type, quality: quality / 100 })
  if (blob.type !== type) {
    throw new ImageError("UNSUPPORTED_FORMAT", `This browser cannot write ${type}.`, {
      hint: "Use image/png.",
    })
  }
  return new Uint8Array(await blob.arrayBuffer())
}

/**
 * Decodes a JPEG or WebP file, upright and in sRGB: RGB, or RGBA when not all of it is opaque.
 *
 * @throws ImageError `CORRUPT_IMAGE`, `TOO_LARGE` when the file is larger than its header says.
 */
export async function decodeImage(
  bytes: Uint8Array,
  kind: "JPEG" | "WebP",
  maxPixels: number,
): Promise<Pixels> {
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]), {
    premultiplyAlpha: "none",
  }).catch(cause => {
    throw corruptImage(kind, "cannot be decoded", cause)
  })
  try {
    const { width, height } = bitmap
    if (width * height > maxPixels) {
      throw new ImageError("TOO_LARGE", `The picture has ${width} × ${height} pixels; its header says fewer.`)
    }
    const context = context2d(new OffscreenCanvas(width, height))
    context.drawImage(bitmap, 0, 0)
    const data = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer)
    const pixels: Pixels = { width, height, channels: 4, data }
    return isOpaque(data) ? convertChannels(pixels, 3) : pixels
  } finally {
    bitmap.close()
  }
}

/** A canvas of the picture's size that shows it. */
export function drawOnCanvas(pixels: Pixels): OffscreenCanvas {
  const { width, height, data } = convertChannels(pixels, 4)
  const canvas = new OffscreenCanvas(width, height)
  context2d(canvas).putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0)
  return canvas
}

function context2d(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d")
  if (context === null) {
    throw new ImageError("UNSUPPORTED_PLATFORM", "This browser does not draw on an OffscreenCanvas.", {
      hint: "Use PNG, which needs no canvas.",
    })
  }
  return context
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false
  return true
}
