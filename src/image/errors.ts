import { ScoreSdeError } from "../errors.ts"

/**
 * A picture could not be made, read or written.
 *
 * - `INVALID_IMAGE`: sizes, channels or data that make no picture, or pictures that do not fit together
 * - `INVALID_TENSOR`: a tensor that is no batch of pictures
 * - `UNSUPPORTED_FORMAT`: a kind of file that cannot be read or written here
 * - `CORRUPT_IMAGE`: a file of a known kind that cannot be decoded
 * - `TOO_LARGE`: more pixels or bytes than the limit
 * - `DOWNLOAD_FAILED`: a URL that did not answer with a file
 * - `UNSUPPORTED_PLATFORM`: only the other platform, Node or the browser, can do this
 */
export class ImageError extends ScoreSdeError<
  | "INVALID_IMAGE"
  | "INVALID_TENSOR"
  | "UNSUPPORTED_FORMAT"
  | "CORRUPT_IMAGE"
  | "TOO_LARGE"
  | "DOWNLOAD_FAILED"
  | "UNSUPPORTED_PLATFORM"
> {
  override readonly name: string = "ImageError"
}

/** The error for a file of a known kind that goes wrong further on. */
export function corruptImage(kind: string, what: string, cause?: unknown): ImageError {
  return new ImageError("CORRUPT_IMAGE", `The ${kind} file ${what}.`, {
    hint: "Download or write it again.",
    cause,
  })
}
