import { FileError, type FileErrorCode } from "./file-error.ts"

const codes: Readonly<Record<string, FileErrorCode>> = {
  NotFoundError: "FILE_NOT_FOUND",
  TypeMismatchError: "FILE_WRONG_KIND",
  NotAllowedError: "FILE_ACCESS_DENIED",
  SecurityError: "FILE_ACCESS_DENIED",
  NoModificationAllowedError: "FILE_ACCESS_DENIED",
  QuotaExceededError: "NO_SPACE",
}

/** Runs `work` and turns what a browser's storage or file refuses into a FileError that names `path`. */
export async function domFailAsFileError<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DOMException) || error.name === "AbortError") throw error
    throw new FileError(codes[error.name] ?? "FILE_FAILED", `${path}: ${error.message}`, { cause: error })
  }
}
