import { HubError } from "./errors.ts"
import type { Repo } from "./repo.ts"

/** The error for a file that a repository doesn't have; it says what there is instead. */
export function noSuchFile(path: string, repo: Pick<Repo, "id" | "commit" | "files">): HubError {
  const at = repo.commit === undefined ? "" : ` at commit ${repo.commit}`
  const names = repo.files.slice(0, 12).map(file => file.path)
  const more = repo.files.length > names.length ? ", …" : ""
  return new HubError("ENTRY_NOT_FOUND", `${repo.id} has no file ${path}${at}.`, {
    hint: names.length === 0 ? "It has no files." : `It has ${names.join(", ")}${more}.`,
  })
}
