import { ImageError } from "../../image/errors.ts"
import type { ImageType } from "../../image/pixels.ts"

/** @throws ImageError `UNSUPPORTED_PLATFORM`: a browser opens no paths. */
export function readImageFile(path: string, _maxBytes: number): Promise<Uint8Array> {
  return Promise.reject(
    new ImageError("UNSUPPORTED_PLATFORM", `A browser cannot open the path ${path}.`, {
      hint: "Give a URL with its scheme, or the File that the user chose.",
    }),
  )
}

/** Offers the bytes as a download named like the last part of `path`. */
export function saveImageFile(path: string, bytes: Uint8Array, type: ImageType): Promise<void> {
  if (typeof document === "undefined") {
    return Promise.reject(
      new ImageError("UNSUPPORTED_PLATFORM", "A worker cannot offer a download.", {
        hint: "Post the result of toBlob() to the page and save it there.",
      }),
    )
  }
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }))
  const link = document.createElement("a")
  link.href = url
  link.download = path.split(/[\\/]/).at(-1)!
  link.click()
  // The download starts after this turn of the event loop; only then may its URL go.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
  return Promise.resolve()
}
