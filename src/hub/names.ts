import { HubError } from "./errors.ts"

const idPattern = /^(?:[\w](?:[\w.-]*[\w])?\/)?[\w](?:[\w.-]*[\w])?$/

/** Whether `id` has the form of a Hub repository's id: `name` or `owner/name`. */
export function isRepoId(id: string): boolean {
  return (
    id.length <= 96 && idPattern.test(id) && !id.includes("--") && !id.includes("..") && !id.endsWith(".git")
  )
}

/** Whether `text` is a commit in full, so that what it stands for can never change. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

/** @throws HubError `INVALID_REVISION` unless git could have a branch or tag of this name. */
export function checkRevision(revision: string): void {
  const bad =
    revision.length === 0 ||
    revision.length > 200 ||
    /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|\.(?:\/|$)|\.lock(?:\/|$)|^[-/]|\/$|(?:^|\/)\./u.test(revision)
  if (bad) {
    throw new HubError("INVALID_REVISION", `"${printable(revision)}" cannot be a branch, a tag or a commit.`)
  }
}

/** Whether `path` names a file inside a folder: relative, `/` between parts, and no way out. */
export function isSafePath(path: string): boolean {
  return (
    path.length > 0 &&
    path.length <= 1024 &&
    !/[\p{Cc}\\]/u.test(path) &&
    path.split("/").every(part => part !== "" && part !== "." && part !== "..")
  )
}

/** @throws HubError `INVALID_PATH` unless {@link isSafePath}. */
export function checkPath(path: string): void {
  if (!isSafePath(path)) {
    throw new HubError("INVALID_PATH", `"${printable(path)}" does not name a file inside the repository.`, {
      hint: 'Use a relative path such as "unet/config.json".',
    })
  }
}

/** Text from outside, short and without control characters, fit for a message. */
export function printable(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, " ")
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain
}
