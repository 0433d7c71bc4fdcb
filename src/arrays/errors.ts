import { ScoreSdeError } from "../errors.ts"

/**
 * What was wrong with an array file.
 *
 * - `FORMAT_UNKNOWN`: not a `.npy` or `.npz` file
 * - `TRUNCATED`: it ends before its header says
 * - `MALFORMED`: it contradicts itself or its format
 * - `TOO_LARGE`: more than the caller's bound
 * - `UNSUPPORTED`: a version or an element type that is not read or written here, such as Python objects
 */
export type ArrayFileErrorCode = "FORMAT_UNKNOWN" | "TRUNCATED" | "MALFORMED" | "TOO_LARGE" | "UNSUPPORTED"

/** A `.npy` or `.npz` file could not be read or written. */
export class ArrayFileError extends ScoreSdeError<ArrayFileErrorCode> {
  override readonly name: string = "ArrayFileError"
}
