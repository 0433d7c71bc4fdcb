/**
 * What a download reports. For each file `initiate`, then `progress` with growing `loaded`, then `done`;
 * `progress_total` sums up the files of one call, with a constant `total`, and ends at `loaded === total`.
 * A file that is already in the cache reports nothing.
 */
export type DownloadEvent =
  | { readonly status: "initiate"; readonly repo: string; readonly file: string; readonly total: number }
  | {
      readonly status: "progress"
      readonly repo: string
      readonly file: string
      /** Bytes that are here; never falls, even where a transfer had to start again. */
      readonly loaded: number
      readonly total: number
      readonly bytesPerSecond: number
    }
  | {
      readonly status: "progress_total"
      readonly repo: string
      readonly loaded: number
      readonly total: number
      readonly bytesPerSecond: number
      /** Number of files that the totals cover. */
      readonly files: number
    }
  | { readonly status: "done"; readonly repo: string; readonly file: string }
