// Files of the browser live in the origin private file system; paths start at its root, with `/` between parts.
import pRetry from "p-retry"
import { throwIfAborted } from "../../errors.ts"
import { type ByteSource, blobSource } from "../byte-source.ts"
import { domFailAsFileError } from "../dom-failure.ts"
import { FileError } from "../file-error.ts"
import {
  contentPieces,
  type DirectoryEntry,
  type FileContent,
  type FileStat,
  type ReadFileOptions,
  type WriteFileOptions,
} from "../file-system.ts"

function isMissing(error: unknown): boolean {
  return error instanceof FileError && error.code === "FILE_NOT_FOUND"
}

/** Joins parts of a path. */
export function joinPath(...parts: string[]): string {
  const joined = parts.flatMap(part => part.split("/")).filter(name => name !== "" && name !== ".")
  return joined.join("/")
}

function namesOf(path: string): string[] {
  const names = path.split("/").filter(name => name !== "" && name !== ".")
  if (names.includes("..")) throw new FileError("FILE_ACCESS_DENIED", `${path} leads out of its directory.`)
  return names
}

async function openDirectory(names: readonly string[], create = false): Promise<FileSystemDirectoryHandle> {
  let directory = await navigator.storage.getDirectory()
  for (const name of names) directory = await directory.getDirectoryHandle(name, { create })
  return directory
}

/** The directory that holds what `path` names, and its name there. */
async function locate(path: string): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
  const names = namesOf(path)
  const name = names.pop()
  if (name === undefined) throw new FileError("FILE_WRONG_KIND", "The root of all files is not a file.")
  return { folder: await domFailAsFileError(path, () => openDirectory(names)), name }
}

async function findFile(path: string): Promise<File> {
  const { folder, name } = await locate(path)
  return await domFailAsFileError(path, async () => await (await folder.getFileHandle(name)).getFile())
}

/** What lies at `path`; `undefined` when nothing does. */
export async function statFile(path: string): Promise<FileStat | undefined> {
  try {
    return { kind: "file", size: (await findFile(path)).size }
  } catch (error) {
    if (isMissing(error)) return undefined
    if (!(error instanceof FileError && error.code === "FILE_WRONG_KIND")) throw error
    return { kind: "directory", size: 0 }
  }
}

/** The entries of a directory, by name. */
export async function listDirectory(path: string): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = []
  await domFailAsFileError(path, async () => {
    const directory = await openDirectory(namesOf(path))
    for await (const { name, kind } of directory.values()) entries.push({ name, kind })
  })
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Makes a directory and those above it; no error when it is there. */
export async function makeDirectory(path: string): Promise<void> {
  await domFailAsFileError(path, () => openDirectory(namesOf(path), true))
}

/** Removes a file, or a directory with all that it holds; no error when nothing is there. */
export async function removePath(path: string): Promise<void> {
  try {
    const { folder, name } = await locate(path)
    await domFailAsFileError(path, () => folder.removeEntry(name, { recursive: true }))
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/**
 * Opens a file for reading by range. Once the file has been replaced, reading fails with FileError `FILE_FAILED`.
 *
 * @throws FileError `FILE_NOT_FOUND`, `FILE_WRONG_KIND` for a directory, `FILE_ACCESS_DENIED`.
 */
export async function openFile(path: string): Promise<ByteSource> {
  return blobSource(path, await findFile(path))
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
  if (source.size > maxBytes) {
    throw new FileError("FILE_TOO_LARGE", `${path} has ${source.size} bytes; at most ${maxBytes} are read.`)
  }
  return await source.read(0, source.size, signal)
}

/** All browsers have it; the types of the DOM do not yet. */
interface MovableHandle {
  move(name: string): Promise<void>
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>
}

/** Moves a file to another place, over a file that is there. */
export async function moveFile(from: string, to: string): Promise<void> {
  const [source, target] = [await locate(from), await locate(to)]
  await domFailAsFileError(to, async () => {
    const handle = await source.folder.getFileHandle(source.name)
    await (handle as FileSystemFileHandle & MovableHandle).move(target.folder, target.name)
  })
}

/**
 * Writes a file whole or not at all: under a temporary name in the same directory, then renamed over what was there.
 * The directory must exist.
 *
 * @throws FileError `FILE_NOT_FOUND` without the directory, `NO_SPACE`, `FILE_ACCESS_DENIED`; and whatever `content`
 * throws while it is read. Nothing is left behind then.
 */
export async function writeFileAtomic(
  path: string,
  content: FileContent,
  { signal }: WriteFileOptions = {},
): Promise<void> {
  const { folder, name } = await locate(path)
  const temporary = `.${name}.${crypto.randomUUID()}.tmp`
  const handle = await domFailAsFileError(path, () => folder.getFileHandle(temporary, { create: true }))
  try {
    const writable = await domFailAsFileError(path, () => handle.createWritable())
    try {
      for await (const piece of contentPieces(content)) {
        throwIfAborted(signal)
        await domFailAsFileError(path, () => writable.write(unshared(piece)))
      }
      throwIfAborted(signal)
    } catch (error) {
      await writable.abort()
      throw error
    }
    await domFailAsFileError(path, () => writable.close())
    await domFailAsFileError(path, () => (handle as FileSystemFileHandle & MovableHandle).move(name))
  } catch (error) {
    // Chromium holds its lock on the file for a moment after an abort.
    await pRetry(() => folder.removeEntry(temporary), { retries: 6, minTimeout: 10 }).catch(() => {})
    throw error
  }
}

/** The bytes in memory that isn't shared between threads, which streams and responses refuse. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}
