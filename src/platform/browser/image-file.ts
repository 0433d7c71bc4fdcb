import { ImageError } from "../../image/errors.ts"
import type { ImageType } from "../../image/pixels.ts"

/** @throws ImageError `UNSUPPORTED_PLATFORM`: pages cannot open files of the machine. */
export function pathOfFileUrl(url: URL): string {
  throw new ImageError("UNSUPPORTED_PLATFORM", `A browser cannot open ${url.href}.`, {
    hint: "Give the File that the user chose.",
  })
}

/**
 * Offers a picture as a download, named like the last part of `path`.
 *
 * @throws ImageError `UNSUPPORTED_PLATFORM` in a worker, which has no page.
 */
export async function saveImageFile(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  type: ImageType,
): Promise<void> {
  if (typeof document === "undefined") {
    throw new ImageError("UNSUPPORTED_PLATFORM", "A worker cannot offer a download.", {
      hint: "Post the result of toBlob() to the page and save it there.",
    })
  }
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([bytes], { type }))
  link.download = path.split(/[\\/]/).at(-1)!
  link.click()
  // The browser opens the URL only after this turn of its event loop.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
