import type { DownloadEvent } from "../hub/progress.ts"
import { formatBytes, formatSeconds } from "./format.ts"
import type { Terminal } from "./terminal.ts"

// Configuration files are here before a bar for them could be read.
const leastBytes = 1_000_000

/** Shows the bytes of downloads, with their rate and the time left. */
export function showDownload(terminal: Terminal, event: DownloadEvent): void {
  if (event.status !== "progress_total" || event.total < leastBytes) return
  const { loaded, total, bytesPerSecond } = event
  const parts = [
    `${formatBytes(loaded)} of ${formatBytes(total)}`,
    bytesPerSecond > 0 && `${formatBytes(bytesPerSecond)}/s`,
    bytesPerSecond > 0 && loaded < total && `${formatSeconds((total - loaded) / bytesPerSecond)} left`,
  ]
  const text = parts.filter(part => part !== false).join(", ")
  terminal.progress("Downloading", { done: loaded, total, text })
  if (loaded === total) terminal.endProgress()
}
