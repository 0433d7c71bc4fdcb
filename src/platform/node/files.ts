import { randomUUID } from "node:crypto"
import type { Stats } from "node:fs"
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { throwIfAborted } from "../../errors.ts"
import { type ByteSource, checkRange } from "../byte-source.ts"
import { FileError } from "../file-error.ts"
import {
  contentPieces,
  type DirectoryEntry,
  type FileContent,
  type FileStat,
  type ReadFileOptions,
  type WriteFileOptions,
} from "../file-system.ts"
import { failAsFileError } from "./file-failure.ts"

/** Reads and writes of more than 2 GiB fail in one call; pieces of this size also let an abort through. */
const pieceBytes = 64 * 2 ** 20

/** Joins parts of a path. */
export function joinPath(...parts: string[]): string {
  return join(...parts)
}

/** What lies at `path`, following links; `undefined` when nothing does. */
export async function statFile(path: string): Promise<FileStat | undefined> {
  const stats = await failAsFileError(path, () => stat(path)).catch(error => {
    if (error instanceof FileError && error.code === "FILE_NOT_FOUND") return undefined
    throw error
  })
  return stats && describe(stats)
}

function describe(stats: Stats): FileStat {
  return stats.isDirectory() ? { kind: "directory", size: 0 } : { kind: "file", size: stats.size }
}

/** The entries of a directory, by name. Links are listed as what they point to; dangling ones are left out. */
export async function listDirectory(path: string): Promise<DirectoryEntry[]> {
  const names = await failAsFileError(path, () => readdir(path))
  const entries: DirectoryEntry[] = []
  for (const name of names.sort()) {
    const stats = await statFile(join(path, name))
    if (stats) entries.push({ name, kind: stats.kind })
  }
  return entries
}

/** Makes a directory and those above it; no error when it is there. */
export async function makeDirectory(path: string): Promise<void> {
  await failAsFileError(path, () => mkdir(path, { recursive: true }))
}

/** Removes a file, or a directory with all that it holds; no error when nothing is there. */
export async function removePath(path: string): Promise<void> {
  await failAsFileError(path, () => rm(path, { recursive: true, force: true }))
}

/** Moves a file to another place on the same disk, over a file that is there. */
export async function moveFile(from: string, to: string): Promise<void> {
  await failAsFileError(to, () => rename(from, to))
}

/**
 * Opens a file for reading by range.
 *
 * @throws FileError `FILE_NOT_FOUND`, `FILE_WRONG_KIND` for a directory, `FILE_ACCESS_DENIED`.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const handle = await failAsFileError(path, () => open(path, "r"))
  try {
    const stats = await failAsFileError(path, () => handle.stat())
    if (!stats.isFile()) throw new FileError("FILE_WRONG_KIND", `${path} is not a file.`)
    return new OpenFile(path, stats.size, handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

class OpenFile implements ByteSource {
  readonly name: string
  readonly size: number
  #handle: FileHandle | undefined

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name
    this.size = size
    this.#handle = handle
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length)
    const handle = this.#handle
    if (!handle) throw new FileError("FILE_FAILED", `${this.name} has been closed.`)
    // Memory that isn't cleared first: every byte is read into or the call fails.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    let done = 0
    while (done < length) {
      throwIfAborted(signal)
      const wanted = Math.min(length - done, pieceBytes)
      const { bytesRead } = await failAsFileError(this.name, () =>
        handle.read(bytes, done, wanted, offset + done),
      )
      if (bytesRead === 0) {
        throw new FileError("FILE_TRUNCATED", `${this.name} became shorter while it was read.`)
      }
      done += bytesRead
    }
    return bytes
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

/**
 * Reads a whole file.
 *
 * @throws FileError `FILE_NOT_FOUND`, `FILE_TOO_LARGE`, `FILE_WRONG_KIND`, `FILE_ACCESS_DENIED`.
 */
export async function readFile(
  path: string,
  options: ReadFileOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes = Number.POSITIVE_INFINITY, signal } = options
  const source = await openFile(path)
  try {
    if (source.size > maxBytes) {
      throw new FileError("FILE_TOO_LARGE", `${path} has ${source.size} bytes; at most ${maxBytes} are read.`)
    }
    return await source.read(0, source.size, signal)
  } finally {
    await source.close()
  }
}

/**
 * Writes a file whole or not at all: to a temporary name in the same directory, flushed to the disk, then renamed
 * over what was there. The directory must exist.
 *
 * @throws FileError `FILE_NOT_FOUND` without the directory, `NO_SPACE`, `FILE_ACCESS_DENIED`; and whatever `content`
 * throws while it is read. Nothing is left behind then.
 */
export async function writeFileAtomic(
  path: string,
  content: FileContent,
  { signal }: WriteFileOptions = {},
): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`)
  const handle = await failAsFileError(path, () => open(temporary, "wx"))
  try {
    try {
      for await (const piece of contentPieces(content)) {
        await writeAll(path, handle, piece, signal)
      }
      throwIfAborted(signal)
      await failAsFileError(path, () => handle.sync())
    } finally {
      await handle.close()
    }
    await failAsFileError(path, () => rename(temporary, path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(folder)
}

async function writeAll(
  path: string,
  handle: FileHandle,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    throwIfAborted(signal)
    const wanted = Math.min(bytes.length - done, pieceBytes)
    const { bytesWritten } = await failAsFileError(path, () => handle.write(bytes, done, wanted))
    done += bytesWritten
  }
}

/** Makes a rename outlast a power cut. Windows and some network disks cannot; the file itself is safe there too. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, "r")
    await handle.sync().finally(() => handle.close())
  } catch {
    return
  }
}
