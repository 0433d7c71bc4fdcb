import type { FileEntry, Reader } from "@zip.js/zip.js"
import { ScoreSdeError, throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { WeightsError } from "./errors.ts"

const maxEntries = 100_000
const maxDirectoryBytes = 64 * 2 ** 20
const localHeaderBytes = 30
const localHeaderSignature = 0x04034b50
const stored = 0
const deflated = 8
/** No stream of the format inflates to more than this many times its size. */
const maxDeflateRatio = 1032

/** A zip file that is read by range. */
export interface ZipArchive {
  /** Bytes of each entry, uncompressed, by its name. */
  readonly sizes: ReadonlyMap<string, number>
  /** Reads `length` bytes of an entry from `offset`; of a compressed one, all of it is inflated first. */
  read(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Reads the directory of a zip file (zip64 too).
 *
 * @throws WeightsError `TRUNCATED` without a directory at its end, `UNSAFE_PATH` for an entry that would leave the
 * folder it is extracted to, `TOO_LARGE`, `MALFORMED`, `UNSUPPORTED` for encryption and foreign compression.
 */
export async function openZip(source: ByteSource, signal?: AbortSignal): Promise<ZipArchive> {
  const entries = await readDirectory(source, signal)
  const dataStarts = new Map<string, number>()

  async function read(
    name: string,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const entry = entries.get(name)
    if (!entry) throw malformed(source, `the entry ${name} is missing`)
    if (offset + length > entry.uncompressedSize) throw malformed(source, `the entry ${name} is too short`)
    const start = dataStarts.get(name) ?? (await findData(source, entry, signal))
    dataStarts.set(name, start)
    if (entry.compressionMethod === stored) return await source.read(start + offset, length, signal)
    return (await inflate(source, entry, start, signal)).slice(offset, offset + length)
  }

  return { sizes: new Map(Array.from(entries, ([name, entry]) => [name, entry.uncompressedSize])), read }
}

async function readDirectory(source: ByteSource, signal?: AbortSignal): Promise<Map<string, FileEntry>> {
  // Fetched when needed: safetensors files do without.
  const zip = await import("@zip.js/zip.js/lib/zip-core-reader.js")
  const reader = new zip.ZipReader(zipInput(source, signal), {
    // "strict" refuses the zip64 records that PyTorch always writes.
    strictness: "balanced",
    filenameValidation: "strict",
  })
  const entries = new Map<string, FileEntry>()
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      if (entry.directory) continue
      if (entries.size === maxEntries) {
        throw new WeightsError("TOO_LARGE", `${source.name} has over ${maxEntries} entries.`)
      }
      if (entries.has(entry.filename)) throw malformed(source, `the entry ${entry.filename} occurs twice`)
      checkEntry(source, entry)
      entries.set(entry.filename, entry)
    }
  } catch (error) {
    if (error instanceof ScoreSdeError || !(error instanceof Error)) throw error
    if (error.message === zip.ERR_UNSAFE_FILENAME) {
      const name = String((error as { filename?: unknown }).filename)
      const message = `${source.name} has an entry that leaves its folder: "${name}".`
      throw new WeightsError("UNSAFE_PATH", message, { cause: error })
    }
    if (error.message === zip.ERR_EOCDR_NOT_FOUND || error.message === zip.ERR_BAD_FORMAT) {
      throw new WeightsError("TRUNCATED", `${source.name} is cut off: the directory at its end is missing.`, {
        hint: "Download it again.",
        cause: error,
      })
    }
    throw malformed(source, error.message, error)
  }
  return entries
}

function checkEntry(source: ByteSource, entry: FileEntry): void {
  const { filename, compressionMethod, compressedSize, uncompressedSize } = entry
  if (entry.encrypted || (compressionMethod !== stored && compressionMethod !== deflated)) {
    const what = entry.encrypted ? "encrypted" : `compressed by method ${compressionMethod}`
    throw new WeightsError("UNSUPPORTED", `The entry ${filename} of ${source.name} is ${what}.`)
  }
  const most = compressionMethod === stored ? compressedSize : compressedSize * maxDeflateRatio
  if (uncompressedSize > most || compressedSize > source.size) {
    throw malformed(source, `the entry ${filename} cannot have ${uncompressedSize} bytes`)
  }
}

/** Where an entry's data starts: behind a local header, whose length only the header itself knows. */
async function findData(source: ByteSource, entry: FileEntry, signal?: AbortSignal): Promise<number> {
  const { filename, offset, compressedSize } = entry
  const leavesFile = () => malformed(source, `the entry ${filename} leaves the file`)
  if (offset + localHeaderBytes > source.size) throw leavesFile()
  const header = new DataView((await source.read(offset, localHeaderBytes, signal)).buffer)
  if (header.getUint32(0, true) !== localHeaderSignature) {
    throw malformed(source, `there is no entry where ${filename} should be`)
  }
  const start = offset + localHeaderBytes + header.getUint16(26, true) + header.getUint16(28, true)
  if (start + compressedSize > source.size) throw leavesFile()
  return start
}

async function inflate(
  source: ByteSource,
  entry: FileEntry,
  start: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(entry.uncompressedSize)
  const compressed = await source.read(start, entry.compressedSize, signal)
  const inflated = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate-raw"))
  const pieces = inflated.getReader()
  let filled = 0
  try {
    for (let next = await pieces.read(); !next.done; next = await pieces.read()) {
      throwIfAborted(signal)
      if (next.value.length > bytes.length - filled) throw new RangeError("more data than announced")
      bytes.set(next.value, filled)
      filled += next.value.length
    }
  } catch (cause) {
    pieces.cancel().catch(() => {})
    if (cause instanceof ScoreSdeError) throw cause
    const reason = (cause as Error).message
    throw malformed(source, `the entry ${entry.filename} does not inflate (${reason})`, cause)
  }
  if (filled < bytes.length) throw malformed(source, `the entry ${entry.filename} is cut off`)
  return bytes
}

/** A source as zip.js reads it: short at the end of the file, and never more than a directory at once. */
function zipInput(source: ByteSource, signal?: AbortSignal): Reader<ByteSource> {
  const input = {
    size: source.size,
    async readUint8Array(offset: number, length: number) {
      const available = offset < 0 ? 0 : Math.max(0, Math.min(length, source.size - offset))
      if (available > maxDirectoryBytes) {
        throw new WeightsError("TOO_LARGE", `The directory of ${source.name} has ${available} bytes.`)
      }
      return await source.read(offset, available, signal)
    },
  }
  return input as unknown as Reader<ByteSource>
}

function malformed(source: ByteSource, what: string, cause?: unknown): WeightsError {
  return new WeightsError("MALFORMED", `${source.name} is not a sound zip file: ${what}.`, { cause })
}
