import { convertChannels } from "../../image/channels.ts"
import { ImageError } from "../../image/errors.ts"
import type { ImageType, Pixels } from "../../image/pixels.ts"

/** Encodes to JPEG or WebP; JPEG has no alpha, so it is laid on white. */
export async function encodeImage(
  pixels: Pixels,
  type: Exclude<ImageType, "image/png">,
  quality: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = drawOnCanvas(pixels)
  if (type === "image/jpeg") {
    const context = context2d(canvas)
    context.globalCompositeOperation = "destination-over"
    context.fillStyle = "#fff"
    context.fillRect(0, 0, canvas.width, canvas.height)
  }
  const blob = await canvas.convertToBlob({ type, quality: quality / 100 })
  if (blob.type !== type) {
    throw new ImageError("UNSUPPORTED_FORMAT", `This browser cannot write ${type}.`, {
      hint: "Use image/png, which every browser writes.",
    })
  }
  return new Uint8Array(await blob.arrayBuffer())
}

/** Decodes a JPEG or WebP file, upright and in sRGB: RGB, or RGBA when a pixel is not opaque. */
export async function decodeImage(bytes: Uint8Array, _maxPixels: number): Promise<Pixels> {
  const bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
    premultiplyAlpha: "none",
  })
  try {
    const { width, height } = bitmap
    const context = context2d(new OffscreenCanvas(width, height))
    context.drawImage(bitmap, 0, 0)
    const data = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer)
    const pixels: Pixels = { width, height, channels: 4, data }
    return data.every((value, i) => i % 4 !== 3 || value === 255) ? convertChannels(pixels, 3) : pixels
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
  const context = canvas.getContext("2d", { willReadFrequently: true })
  if (context === null) {
    throw new ImageError("UNSUPPORTED_PLATFORM", "This browser gives no 2D context for an OffscreenCanvas.", {
      hint: "Use PNG, which needs no canvas.",
    })
  }
  return context
}
