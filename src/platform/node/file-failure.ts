import { ScoreSdeError } from "../../errors.ts"
import { FileError, type FileErrorCode } from "../file-error.ts"

const codes: Readonly<Record<string, FileErrorCode>> = {
  ENOENT: "FILE_NOT_FOUND",
  EEXIST: "FILE_EXISTS",
  EISDIR: "FILE_WRONG_KIND",
  ENOTDIR: "FILE_WRONG_KIND",
  EACCES: "FILE_ACCESS_DENIED",
  EPERM: "FILE_ACCESS_DENIED",
  EROFS: "FILE_ACCESS_DENIED",
  ENOSPC: "NO_SPACE",
  EDQUOT: "NO_SPACE",
}

/** Runs `work` and turns a failure of the system into a FileError that names `path`; other errors pass. */
export async function failAsFileError<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof ScoreSdeError || typeof code !== "string") throw error
    throw new FileError(codes[code] ?? "FILE_FAILED", `${path}: ${(error as Error).message}.`, {
      cause: error,
    })
  }
}
