/** Receives warnings: things that were worked around and that the caller may want to know. */
export type WarningHandler = (message: string) => void

const shown = new Set<string>()
const SHOWN_LIMIT = 1000

/** The default {@link WarningHandler}: writes each distinct message to the console once per process. */
export function warnOnce(message: string): void {
  if (shown.has(message) || shown.size >= SHOWN_LIMIT) return
  shown.add(message)
  console.warn(`score-sde: ${message}`)
}
