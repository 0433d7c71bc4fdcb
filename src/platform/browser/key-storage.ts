import { domFailAsFileError } from "../dom-failure.ts"
import { FileError } from "../file-error.ts"
import {
  joinPath,
  makeDirectory,
  openFile,
  removePath,
  statFile,
  unshared,
  writeFileAtomic,
} from "./files.ts"

/**
 * Bytes under keys, which are addresses at the Hub. Every method throws FileError: `NO_SPACE` where the quota is full,
 * `FILE_ACCESS_DENIED` where the page has no storage, `FILE_FAILED`.
 */
export interface KeyStorage {
  /** The name of the whole, which tabs and workers of an origin share. */
  readonly name: string
  get(key: string): Promise<Blob | undefined>
  put(key: string, bytes: Uint8Array): Promise<void>
  remove(key: string): Promise<void>
  /** The keys that begin with `prefix`, which ends with `/`; all for an empty one. */
  keys(prefix: string): Promise<string[]>
  /** Removes the storage itself. */
  removeAll(): Promise<void>
}

/** The Cache storage: what every browser has, in every thread, and the faster of the two to write. */
export function cacheApiStorage(name: string): KeyStorage {
  const inCache = <T>(work: (cache: Cache) => Promise<T>): Promise<T> => {
    if (typeof caches === "undefined") throw noStorage()
    return domFailAsFileError("The browser's cache storage", async () => await work(await caches.open(name)))
  }
  return {
    name,
    get: key => inCache(async cache => (await cache.match(key))?.blob()),
    put: (key, bytes) => inCache(cache => cache.put(key, new Response(unshared(bytes)))),
    remove: key => inCache(async cache => void (await cache.delete(key))),
    async keys(prefix) {
      const requests = await inCache(cache => cache.keys())
      return requests.map(({ url }) => url).filter(url => url.startsWith(prefix))
    },
    removeAll: () => inCache(async () => void (await caches.delete(name))),
  }
}

/** The origin private file system: a file for each key, in a folder of that name. */
export function opfsStorage(name: string): KeyStorage {
  const root = joinPath(".score-sde", "cache", encodeURIComponent(name))
  // An address's scheme and host are parts of the path like any other.
  const place = (key: string): string =>
    joinPath(root, ...key.split("/").map(part => part.replaceAll(":", "%3A")))
  return {
    name: `opfs ${name}`,
    async get(key) {
      requireFileSystem()
      const path = place(key)
      return (await statFile(path))?.kind === "file" ? (await openFile(path)).blob : undefined
    },
    async put(key, bytes) {
      requireFileSystem()
      const path = place(key)
      await makeDirectory(path.slice(0, path.lastIndexOf("/")))
      await writeFileAtomic(path, bytes)
    },
    async remove(key) {
      requireFileSystem()
      await removePath(place(key))
    },
    async keys(prefix) {
      requireFileSystem()
      return await keysBelow(root, prefix)
    },
    async removeAll() {
      requireFileSystem()
      await removePath(root)
    },
  }
}

async function keysBelow(root: string, prefix: string): Promise<string[]> {
  const found: string[] = []
  const visit = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
    for await (const entry of folder.values()) {
      const part = entry.name.replaceAll("%3A", ":")
      if (entry.kind === "directory") await visit(entry as FileSystemDirectoryHandle, `${path}${part}/`)
      // The others are files that are being written.
      else if (!/^\..*\.tmp$/.test(entry.name)) found.push(path + part)
    }
  }
  let folder: FileSystemDirectoryHandle
  try {
    folder = await navigator.storage.getDirectory()
    for (const name of root.split("/")) folder = await folder.getDirectoryHandle(name)
  } catch {
    return []
  }
  await domFailAsFileError(root, () => visit(folder, ""))
  // The two slashes behind an address's scheme are one in a path.
  return found.map(key => key.replace(/^(\w+:)\//, "$1//")).filter(key => key.startsWith(prefix))
}

function requireFileSystem(): void {
  if (typeof navigator.storage?.getDirectory !== "function") throw noStorage()
}

function noStorage(): FileError {
  return new FileError(
    "FILE_ACCESS_DENIED",
    "The browser gives this page no storage; it does over https and on localhost.",
  )
}
