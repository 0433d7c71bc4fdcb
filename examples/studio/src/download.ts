// Pictures as files.
import type { Picture } from "./engine/protocol.ts"

/** A canvas that shows the picture. */
export function canvasOf({ width, height, rgba }: Picture): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height)
  canvas.getContext("2d")!.putImageData(new ImageData(rgba, width, height), 0, 0)
  return canvas
}

/** Offers the picture as a PNG file. */
export async function downloadPng(picture: Picture, name: string): Promise<void> {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(await canvasOf(picture).convertToBlob({ type: "image/png" }))
  link.download = name
  link.click()
  // The browser opens the URL only after this turn of its event loop.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** A picture in the size that a model takes: the largest square, or what has the model's form, from its middle. */
export async function readPicture(
  from: Blob | OffscreenCanvas,
  width: number,
  height: number,
): Promise<Picture> {
  const bitmap = await createImageBitmap(from)
  try {
    const scale = Math.max(width / bitmap.width, height / bitmap.height)
    const [w, h] = [width / scale, height / scale]
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext("2d")!
    context.fillStyle = "white"
    context.fillRect(0, 0, width, height)
    context.imageSmoothingQuality = "high"
    context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, width, height)
    return { width, height, rgba: context.getImageData(0, 0, width, height).data }
  } finally {
    bitmap.close()
  }
}

/** The picture in grey, by the mean of its channels, which is what colorizing keeps. */
export function inGrey({ width, height, rgba }: Picture): Picture {
  const grey = new Uint8ClampedArray(rgba)
  for (let i = 0; i < grey.length; i += 4) {
    const mean = (rgba[i]! + rgba[i + 1]! + rgba[i + 2]!) / 3
    grey.fill(mean, i, i + 3)
  }
  return { width, height, rgba: grey }
}

/** A mask as a picture: white where it is to be filled. */
export function maskPicture(mask: Uint8Array, width: number, height: number): Picture {
  const rgba = new Uint8ClampedArray(width * height * 4)
  for (const [i, fill] of mask.entries()) {
    rgba.fill(fill * 255, i * 4, i * 4 + 3)
    rgba[i * 4 + 3] = 255
  }
  return { width, height, rgba }
}
