import { hubCacheDir, readEnv, storedToken } from "#platform/hub-env"
import type { BrowserCache } from "../platform/repo-store.ts"
import { HubError } from "./errors.ts"
import { checkPath, checkRevision, printable } from "./names.ts"
import type { HubOptions } from "./options.ts"

/** {@link HubOptions} with the environment and the defaults filled in. */
export interface HubSettings {
  readonly revision: string
  readonly token: string | undefined
  readonly cacheDir: string
  readonly cache: BrowserCache
  /** Why no request may be sent, as a sentence; `undefined` where one may. */
  readonly offline: string | undefined
  readonly forceDownload: boolean
  /** Ends with `/`, or is empty. */
  readonly prefix: string
  /** Without a `/` at the end. */
  readonly endpoint: string
  readonly retries: number
  /** Milliseconds that the server may stay silent, before an answer and within a body. */
  readonly answerTimeout: number
  readonly silenceTimeout: number
  readonly fetch: typeof fetch
  readonly signal: AbortSignal | undefined
  readonly onProgress: HubOptions["onProgress"]
}

/**
 * Fills in what the options leave open: `HF_ENDPOINT`, `HF_TOKEN` and the stored token (unless
 * `HF_HUB_DISABLE_IMPLICIT_TOKEN`), `HF_HUB_OFFLINE`, `HF_HUB_CACHE` and its relatives, `HF_HUB_ETAG_TIMEOUT` and
 * `HF_HUB_DOWNLOAD_TIMEOUT` (seconds, 10 by default).
 *
 * @throws HubError `INVALID_OPTION`, `INVALID_REVISION`, `INVALID_PATH`.
 */
export async function resolveSettings(options: HubOptions): Promise<HubSettings> {
  const revision = options.revision ?? "main"
  checkRevision(revision)
  const subfolder = options.subfolder?.replace(/\/+$/, "") ?? ""
  if (subfolder !== "") checkPath(subfolder)
  const retries = options.retries ?? 4
  if (!Number.isInteger(retries) || retries < 0) {
    throw new HubError("INVALID_OPTION", `retries is ${retries}, but it counts: a whole number from 0 on.`)
  }
  return {
    revision,
    token: await resolveToken(options.token),
    cacheDir: hubCacheDir(options.cacheDir),
    cache: checkCache(options.cache),
    offline: options.localFilesOnly
      ? "localFilesOnly is set."
      : isTrue(readEnv("HF_HUB_OFFLINE"))
        ? "HF_HUB_OFFLINE is set."
        : undefined,
    forceDownload: options.forceDownload ?? false,
    prefix: subfolder === "" ? "" : `${subfolder}/`,
    endpoint: resolveEndpoint(options.endpoint ?? readEnv("HF_ENDPOINT") ?? "https://huggingface.co"),
    retries,
    answerTimeout: readSeconds("HF_HUB_ETAG_TIMEOUT", 10),
    silenceTimeout: readSeconds("HF_HUB_DOWNLOAD_TIMEOUT", 10),
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    signal: options.signal,
    onProgress: options.onProgress,
  }
}

function checkCache(cache: BrowserCache = "cache-api"): BrowserCache {
  if (cache === "cache-api" || cache === "opfs") return cache
  throw new HubError("INVALID_OPTION", `There is no cache "${printable(String(cache))}".`, {
    hint: 'It is "cache-api" or "opfs".',
  })
}

async function resolveToken(given: string | false | undefined): Promise<string | undefined> {
  if (given === false) return undefined
  const implicit = async (): Promise<string | undefined> =>
    isTrue(readEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
      ? undefined
      : (readEnv("HF_TOKEN") ?? readEnv("HUGGING_FACE_HUB_TOKEN") ?? (await storedToken()))
  const token = given?.trim() || (await implicit())
  // The message leaves the token out: it is a secret, even a broken one.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new HubError("INVALID_OPTION", "The access token holds characters that no token has.", {
      hint: "Check the token option, HF_TOKEN and the token file.",
    })
  }
  return token
}

function resolveEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.username !== "") {
    throw new HubError("INVALID_OPTION", `The endpoint "${printable(text)}" is not an http(s) address.`, {
      hint: "Check the endpoint option and HF_ENDPOINT.",
    })
  }
  return url.href.replace(/\/+$/, "")
}

function readSeconds(name: string, fallback: number): number {
  const seconds = Number(readEnv(name) ?? fallback)
  return (Number.isFinite(seconds) && seconds > 0 ? seconds : fallback) * 1000
}

/** Truth in environment variables as `huggingface_hub` reads it. */
function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|on|yes|true)$/i.test(value)
}
