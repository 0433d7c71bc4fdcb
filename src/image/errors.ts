import { ScoreSdeError } from "../errors.ts"

/**
 * A picture could not be made, read or written.
 *
 * - `INVALID_IMAGE`: sizes, channels or data that make no picture, or pictures that do not fit together
 * - `INVALID_TENSOR`: a tensor that is no batch of pictures
 * - `UNSUPPORTED_FORMAT`: a file type that this platform cannot read or write
 * - `CORRUPT_IMAGE`: a file that claims a known type but cannot be decoded
 * - `TOO_LARGE`: more pixels or bytes than the limit
 * - `UNSUPPORTED_PLATFORM`: only the other platform, Node or the browser, can do this
 * - `READ_FAILED`, `WRITE_FAILED`: the file system or the network refused
 */
export class ImageError extends ScoreSdeError<
  | "INVALID_IMAGE"
  | "INVALID_TENSOR"
  | "UNSUPPORTED_FORMAT"
  | "CORRUPT_IMAGE"
  | "TOO_LARGE"
  | "UNSUPPORTED_PLATFORM"
  | "READ_FAILED"
  | "WRITE_FAILED"
> {}
