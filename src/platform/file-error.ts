import { ScoreSdeError } from "../errors.ts"

/**
 * Why a file could not be read or written.
 *
 * - `FILE_NOT_FOUND`: nothing is there
 * - `FILE_EXISTS`: something is there already
 * - `FILE_WRONG_KIND`: a folder where a file is needed, or the other way round
 * - `FILE_ACCESS_DENIED`: no permission
 * - `FILE_TOO_LARGE`: larger than the caller's bound
 * - `FILE_TRUNCATED`: it ends before the range that was asked for
 * - `NO_SPACE`: the disk or the quota is full
 * - `FILE_FAILED`: anything else; `cause` has the system's error
 */
export type FileErrorCode =
  | "FILE_NOT_FOUND"
  | "FILE_EXISTS"
  | "FILE_WRONG_KIND"
  | "FILE_ACCESS_DENIED"
  | "FILE_TOO_LARGE"
  | "FILE_TRUNCATED"
  | "NO_SPACE"
  | "FILE_FAILED"

/** A file or folder could not be read or written. */
export class FileError extends ScoreSdeError<FileErrorCode> {
  override readonly name: string = "FileError"
}
