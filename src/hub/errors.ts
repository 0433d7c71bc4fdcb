import { ScoreSdeError } from "../errors.ts"

/**
 * What can go wrong between a repository's name and its bytes.
 *
 * - `INVALID_ID`, `INVALID_REVISION`, `INVALID_PATH`, `INVALID_OPTION`: the call itself, before any request.
 * - `LOCAL_NOT_FOUND`: the id is written as a path, and no folder is there.
 * - `REPO_NOT_FOUND`: no such repository, or a private one that the caller may not see (the Hub doesn't tell).
 * - `REVISION_NOT_FOUND`, `ENTRY_NOT_FOUND`: the repository is there, the branch, tag, commit or file is not.
 * - `GATED`, `UNAUTHORIZED`: the access conditions are not accepted; the token is refused.
 * - `OFFLINE`: needed from the Hub, which may not or can't be reached, and not in the cache.
 * - `DOWNLOAD_FAILED`: the server answered, but not with the file, and the retries are used up.
 * - `INVALID_RESPONSE`: the server's answer is not what the Hub's API promises.
 * - `INTEGRITY`: the bytes don't have the size or the hash that the repository states.
 * - `NO_SPACE`, `CACHE_FAILED`: the cache can't take the file.
 * - `TOO_LARGE`, `NOT_TEXT`: a file is not what the caller was ready to read.
 * - `NO_LOCAL_PATH`: a path on disk was asked for where files have none (in a browser).
 * - `VARIANT_NOT_FOUND`, `WEIGHTS_NOT_FOUND`: no file among those of the repository fits what was asked for.
 */
export type HubErrorCode =
  | "INVALID_ID"
  | "INVALID_REVISION"
  | "INVALID_PATH"
  | "INVALID_OPTION"
  | "LOCAL_NOT_FOUND"
  | "REPO_NOT_FOUND"
  | "REVISION_NOT_FOUND"
  | "ENTRY_NOT_FOUND"
  | "GATED"
  | "UNAUTHORIZED"
  | "OFFLINE"
  | "DOWNLOAD_FAILED"
  | "INVALID_RESPONSE"
  | "INTEGRITY"
  | "NO_SPACE"
  | "CACHE_FAILED"
  | "TOO_LARGE"
  | "NOT_TEXT"
  | "NO_LOCAL_PATH"
  | "VARIANT_NOT_FOUND"
  | "WEIGHTS_NOT_FOUND"

/** A repository or one of its files could not be found, fetched, trusted or stored. */
export class HubError extends ScoreSdeError<HubErrorCode> {
  override readonly name: string = "HubError"
}
