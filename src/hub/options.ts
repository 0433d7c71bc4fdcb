import { abortSignal, callback, flag, kind, type OptionList, text } from "../check-options.ts"
import type { BrowserCache } from "../platform/repo-store.ts"
import type { DownloadEvent } from "./progress.ts"

/** How to find, fetch and keep a repository. Absent fields are taken from the environment, then defaults. */
export interface HubOptions {
  /** Branch, tag or commit; `"main"` by default. */
  readonly revision?: string
  /** Access token, or `false` to send none. Default: `HF_TOKEN`, else the token that `hf auth login` stored. */
  readonly token?: string | false
  /**
   * The cache's folder, laid out as Python's `huggingface_hub` does. Default: `HF_HUB_CACHE`, `HF_HOME/hub`, …. In a
   * browser the name of the cache; default `"score-sde"`.
   */
  readonly cacheDir?: string
  /**
   * In a browser, where files are kept: in its Cache storage (the default), or in the origin private file system, from
   * which large models load with less memory. Means nothing in Node.
   */
  readonly cache?: BrowserCache
  /** Use the cache only and send no request. Default: `HF_HUB_OFFLINE`. */
  readonly localFilesOnly?: boolean
  /** Fetch files again although they are in the cache. */
  readonly forceDownload?: boolean
  /** Look at this folder of the repository as if it were the whole. */
  readonly subfolder?: string
  /** The Hub's address. Default: `HF_ENDPOINT`, else `https://huggingface.co`. */
  readonly endpoint?: string
  /** Times that a failed request is repeated, with growing pauses; 4 by default. */
  readonly retries?: number
  /** A replacement of the global `fetch`, for proxies and tests. */
  readonly fetch?: typeof fetch
  readonly signal?: AbortSignal
  readonly onProgress?: (event: DownloadEvent) => void
}

/** {@link HubOptions} as a caller without types gives them. */
export const hubOptions: OptionList<HubOptions> = {
  type: "HubOptions",
  options: {
    revision: text,
    token: kind(value => typeof value === "string" || value === false, "a string, or false for none"),
    cacheDir: text,
    cache: true,
    localFilesOnly: flag,
    forceDownload: flag,
    subfolder: text,
    endpoint: text,
    retries: true,
    fetch: callback,
    signal: abortSignal,
    onProgress: callback,
  },
}
