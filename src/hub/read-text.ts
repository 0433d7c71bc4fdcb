import type { ByteSource } from "../platform/byte-source.ts"
import { HubError } from "./errors.ts"

/**
 * Reads a source as UTF-8 text and closes it.
 *
 * @throws HubError `TOO_LARGE` before anything is read; `NOT_TEXT`.
 */
export async function readUtf8(
  source: ByteSource,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    if (source.size > maxBytes) {
      throw new HubError(
        "TOO_LARGE",
        `${source.name} has ${source.size} bytes; at most ${maxBytes} are read.`,
      )
    }
    const bytes = await source.read(0, source.size, signal)
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    } catch (cause) {
      throw new HubError("NOT_TEXT", `${source.name} is not UTF-8 text.`, { cause })
    }
  } finally {
    await source.close()
  }
}
