import { createHasher } from "#platform/hash"
import { httpAbilities } from "#platform/hub-http"
import { throwIfAborted } from "../errors.ts"
import type { Hasher } from "../platform/hasher.ts"
import type { BlobWriter, HubFile, KeptBytes } from "../platform/repo-store.ts"
import { type Answer, get, type Subject } from "./connection.ts"
import { HubError } from "./errors.ts"
import type { DownloadProgress } from "./progress.ts"
import { TransientError, withRetries } from "./retry.ts"
import type { HubSettings } from "./settings.ts"

/** An attempt that brought this much before it broke off doesn't count against the retries. */
const worthAnother = 2 ** 20

/**
 * Fetches a file into `writer` and verifies its size and hash on the way. A transfer that breaks off goes on where
 * it stopped, if the server confirms that it still has the same file; a wrong hash is given one more try. What an earlier transfer left
 * in `writer` is gone on with too, if the file's hash will tell whether the two parts belong together.
 *
 * `progress` is told how many bytes are here; the number falls when the transfer starts again.
 *
 * @throws HubError `DOWNLOAD_FAILED`, `OFFLINE`, `INTEGRITY`, and what {@link get} throws.
 */
export async function transferFile(
  url: string,
  file: HubFile,
  writer: BlobWriter,
  subject: Subject,
  settings: HubSettings,
  progress: Pick<DownloadProgress, "resume" | "advance">,
): Promise<void> {
  const onBytes = (count: number): void => progress.advance(file.path, count)
  let received = 0
  let hash = startDigest(file)
  let validator: string | undefined
  /** Whether what is here was left by another transfer, whose validator nobody knows. */
  let inherited = false
  let mismatches = 0
  let furthest = 0
  let furthestBefore = 0

  const restart = async (): Promise<void> => {
    await writer.clear()
    received = 0
    hash = startDigest(file)
    validator = undefined
    inherited = false
    onBytes(0)
  }

  const takeUp = async ({ size, read }: KeptBytes): Promise<void> => {
    if (size > file.size || !isVerifiable(file)) return restart()
    for await (const chunk of read()) {
      throwIfAborted(settings.signal)
      hash.update(chunk)
      // Hashing goes on for seconds in a browser, whose page must not stand still.
      await new Promise(resolve => setTimeout(resolve))
    }
    received = size
    furthest = size
    inherited = true
    progress.resume(file.path, size)
  }

  const attempt = async (): Promise<void> => {
    furthestBefore = furthest
    if (received > 0 && received === file.size) return verify()
    if (received > 0 && validator === undefined && !inherited) await restart()
    const answer = await get(url, requestHeaders(received, validator), subject, settings)
    if (received > 0 && !continues(answer, received, file.size, inherited ? strongETag(answer) : validator)) {
      await restart()
      if (answer.status !== 200) {
        await answer.discard()
        throw new TransientError(`the server could not go on with ${file.path} where it had stopped`)
      }
    }
    if (received === 0 || inherited) validator = strongETag(answer)
    inherited = inherited && validator === undefined
    for await (const chunk of answer.body()) {
      if (received + chunk.length > file.size) {
        await restart()
        throw new TransientError(`the server sends more than the ${file.size} bytes of ${file.path}`)
      }
      hash.update(chunk)
      await writer.append(chunk)
      received += chunk.length
      furthest = Math.max(furthest, received)
      onBytes(received)
    }
    if (received < file.size) {
      throw new TransientError(`${file.path} ended after ${received} of ${file.size} bytes`)
    }
    await verify()
  }

  const verify = async (): Promise<void> => {
    const digest = hash.hex()
    if (!isVerifiable(file) || digest === file.digest) return
    mismatches += 1
    await restart()
    const problem = `What ${settings.endpoint} sends for ${file.path} of ${subject.id} is not the file that the repository states`
    if (mismatches === 1) throw new TransientError(problem)
    throw new HubError("INTEGRITY", `${problem}: its hash is ${digest}, not ${file.digest}.`, {
      hint: "Nothing was kept. A proxy or mirror in between may be at fault; try another endpoint.",
    })
  }

  if (writer.kept) await takeUp(writer.kept)
  await withRetries(attempt, {
    retries: settings.retries,
    signal: settings.signal,
    madeProgress: () => furthest - furthestBefore >= worthAnother,
  })
}

/**
 * Starts the hash that `file.digest` is of: SHA-256 (64 digits), or git's blob id (40), a SHA-1 with the size first.
 * Other digests, as some mirrors have them, can't be verified.
 */
export function startDigest(file: Pick<HubFile, "digest" | "size">): Hasher {
  if (file.digest.length !== 40) return createHasher("sha256")
  const hash = createHasher("sha1")
  hash.update(new TextEncoder().encode(`blob ${file.size}\0`))
  return hash
}

/** Whether `digest` is a hash that {@link startDigest} computes. */
export function isVerifiable({ digest }: Pick<HubFile, "digest">): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(digest)
}

function requestHeaders(received: number, validator: string | undefined): Record<string, string> {
  // A compressed body could not be resumed, nor its length be compared.
  const headers = { "accept-encoding": "identity" }
  if (received === 0) return headers
  const range = { ...headers, range: `bytes=${received}-` }
  return httpAbilities.conditionalRange && validator !== undefined
    ? { ...range, "if-range": validator }
    : range
}

/** Whether `answer` is the rest of the file, from the byte that is missing on, of the same version. */
function continues(answer: Answer, received: number, size: number, validator: string | undefined): boolean {
  return (
    answer.status === 206 &&
    answer.bodyHeader("content-range") === `bytes ${received}-${size - 1}/${size}` &&
    (strongETag(answer) ?? validator) === validator
  )
}

function strongETag(answer: Answer): string | undefined {
  const tag = answer.bodyHeader("etag")
  return tag !== null && /^"[^"]*"$/.test(tag) ? tag : undefined
}
