import { randomBytes } from "node:crypto"
import {
  constants,
  copyFile,
  link as hardLink,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  statfs,
  symlink,
} from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import type { ByteSource } from "../byte-source.ts"
import { FileError } from "../file-error.ts"
import type {
  BlobTransfer,
  DerivedFileStore,
  HubFile,
  PutOptions,
  RepoStore,
  RepoStoreOptions,
  StoredFile,
} from "../repo-store.ts"
import { derivedFileIn } from "./derived-file.ts"
import { failAsFileError } from "./file-failure.ts"
import { withFileLock } from "./file-lock.ts"
import { openFile, readFile, statFile, writeFileAtomic } from "./files.ts"
import { listFolder } from "./folder.ts"
import { assetsDir } from "./hub-home.ts"

/** Opens a repository's folder of the cache; nothing is created before something is kept. */
export function openRepoStore(options: RepoStoreOptions): RepoStore {
  return new HubCacheFolder(options)
}

/**
 * Removes what this library has made of the models in the cache and in folders; the models themselves, which Python
 * shares, stay. Returns the bytes that this freed.
 */
export async function clearStores({ cacheDir }: Pick<RepoStoreOptions, "cacheDir">): Promise<number> {
  return await failAsFileError(cacheDir, async () => {
    let freed = await removeTree(join(assetsDir(), "score-sde"))
    for (const name of await namesIn(cacheDir)) {
      if (name.startsWith("models--")) freed += await removeTree(join(cacheDir, name, ".score-sde"))
    }
    return freed
  })
}

/** The most bytes that a ref, or a listing, is read of. */
const maxRefBytes = 100
const maxTreeBytes = 64 * 2 ** 20
/** Transfers that were killed this long ago are cleared away with the next transfer of the same blob. */
const abandonedAfterMs = 60 * 60 * 1000

/**
 * The cache of Python's `huggingface_hub`, which reads and writes it too:
 *
 *     models--org--name/blobs/<digest>
 *     models--org--name/refs/<branch or tag>             the commit, as text
 *     models--org--name/snapshots/<commit>/<path>        a link to ../../blobs/<digest>
 *     models--org--name/.no_exist/<commit>/<path>        empty: the repository has no such file
 *     models--org--name/trees/<commit>.json              Python's listing of a commit, only read here
 *     models--org--name/.score-sde/trees/<commit>.json   our listing; in trees/ it would make Python call our
 *                                                        partial snapshots incomplete
 *     models--org--name/.score-sde/derived/<commit>/     files that this library makes
 *     .locks/models--org--name/<digest>.score-sde.lock   our locks, beside Python's
 */
class HubCacheFolder implements RepoStore {
  readonly #root: string
  readonly #locks: string

  constructor({ id, cacheDir }: RepoStoreOptions) {
    const folder = `models--${id.replaceAll("/", "--")}`
    this.#root = join(cacheDir, folder)
    this.#locks = join(cacheDir, ".locks", folder)
  }

  async readRef(revision: string): Promise<string | undefined> {
    const commit = (await readSmallText(join(this.#root, "refs", revision), maxRefBytes))?.trim()
    return commit !== undefined && /^[0-9a-f]{40}$/.test(commit) ? commit : undefined
  }

  async rememberRef(revision: string, commit: string): Promise<void> {
    if ((await this.readRef(revision)) === commit) return
    await bestEffort(async () => {
      // Python calls a cache corrupt whose ref leads to no snapshot.
      await mkdir(this.#snapshot(commit), { recursive: true })
      const path = join(this.#root, "refs", revision)
      await mkdir(dirname(path), { recursive: true })
      await writeFileAtomic(path, new TextEncoder().encode(commit))
    })
  }

  async readTree(commit: string): Promise<string | undefined> {
    return (
      (await readSmallText(this.#ownTree(commit), maxTreeBytes)) ??
      (await readSmallText(join(this.#root, "trees", `${commit}.json`), maxTreeBytes))
    )
  }

  async rememberTree(commit: string, text: string): Promise<void> {
    await bestEffort(async () => {
      const path = this.#ownTree(commit)
      await mkdir(dirname(path), { recursive: true })
      await writeFileAtomic(path, new TextEncoder().encode(text))
    })
  }

  async isAbsent(commit: string, path: string): Promise<boolean> {
    return (await statFile(this.#absent(commit, path))) !== undefined
  }

  async rememberAbsent(commit: string, path: string): Promise<void> {
    await bestEffort(async () => {
      const marker = this.#absent(commit, path)
      await mkdir(dirname(marker), { recursive: true })
      await (await open(marker, "a")).close()
    })
  }

  async list(commit: string): Promise<StoredFile[]> {
    return listFolder(this.#snapshot(commit))
  }

  async stored(commit: string, path: string): Promise<StoredFile | undefined> {
    const pointer = this.#pointer(commit, path)
    const found = await statFile(pointer)
    if (found?.kind !== "file") return undefined
    const target = await readlink(pointer).catch(() => "")
    const digest = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.exec(basename(target))?.[0]
    return { path, size: found.size, digest }
  }

  async requireSpace(files: readonly HubFile[]): Promise<void> {
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    let folder = this.#root
    while ((await statFile(folder)) === undefined && folder !== dirname(folder)) folder = dirname(folder)
    // Some network file systems report nothing useful; then the transfer itself has to find out.
    const stats = await statfs(folder).catch(() => undefined)
    if (stats === undefined || stats.blocks === 0) return
    const available = stats.bavail * stats.bsize
    if (available < bytes) {
      throw new FileError("NO_SPACE", `${folder} has ${available} bytes free, but ${bytes} are needed.`)
    }
  }

  async put(commit: string, file: HubFile, transfer: BlobTransfer, options: PutOptions): Promise<void> {
    const blob = join(this.#root, "blobs", file.digest)
    await failAsFileError(blob, async () => {
      await mkdir(dirname(blob), { recursive: true })
      await mkdir(this.#locks, { recursive: true })
    })
    const lock = join(this.#locks, `${file.digest}.score-sde.lock`)
    const asked = Date.now()
    await withFileLock(
      lock,
      async () => {
        if (!(await isCurrent(blob, file.size, options.replace ? asked : undefined))) {
          await clearAbandoned(blob)
          await this.#receive(blob, transfer)
        }
        await failAsFileError(blob, () => link(blob, this.#pointer(commit, file.path)))
      },
      options.signal,
    )
  }

  async open(commit: string, path: string): Promise<ByteSource> {
    return openFile(this.#pointer(commit, path))
  }

  localPath(commit: string, path: string): string {
    return this.#pointer(commit, path)
  }

  derivedFile(commit: string, name: string): DerivedFileStore {
    return derivedFileIn(join(this.#root, ".score-sde", "derived", commit), name)
  }

  async clear(commit?: string): Promise<number> {
    return await failAsFileError(this.#root, async () => {
      if (commit === undefined) return await removeTree(this.#root)
      const blobs = await linkedBlobs(this.#snapshot(commit))
      let freed = 0
      for (const folder of [this.#snapshot(commit), join(this.#root, ".score-sde", "derived", commit)]) {
        freed += await removeTree(folder)
      }
      await rm(join(this.#root, ".no_exist", commit), { recursive: true, force: true })
      await rm(join(this.#root, "trees", `${commit}.json`), { force: true })
      await rm(this.#ownTree(commit), { force: true })
      await this.#removeRefs(commit)
      const others = await namesIn(join(this.#root, "snapshots"))
      for (const other of others) {
        for (const blob of await linkedBlobs(this.#snapshot(other))) blobs.delete(blob)
      }
      for (const blob of blobs) freed += await removeTree(blob)
      // A repository without a snapshot is what Python calls corrupt.
      return others.length === 0 ? freed + (await removeTree(this.#root)) : freed
    })
  }

  async #removeRefs(commit: string): Promise<void> {
    for (const { path } of await listFolder(join(this.#root, "refs"))) {
      if ((await this.readRef(path)) === commit) await rm(join(this.#root, "refs", path))
    }
  }

  #snapshot(commit: string): string {
    return join(this.#root, "snapshots", commit)
  }

  #pointer(commit: string, path: string): string {
    return join(this.#snapshot(commit), ...path.split("/"))
  }

  #absent(commit: string, path: string): string {
    return join(this.#root, ".no_exist", commit, ...path.split("/"))
  }

  #ownTree(commit: string): string {
    return join(this.#root, ".score-sde", "trees", `${commit}.json`)
  }

  /** Collects a transfer under a name of its own, and gives it the blob's name when all of it is on the disk. */
  async #receive(blob: string, transfer: BlobTransfer): Promise<void> {
    const temporary = `${blob}.${randomBytes(4).toString("hex")}.incomplete`
    try {
      const file = await failAsFileError(blob, () => open(temporary, "ax"))
      try {
        await transfer({
          append: bytes => failAsFileError(blob, () => file.appendFile(bytes)),
          clear: () => failAsFileError(blob, () => file.truncate(0)),
        })
        await failAsFileError(blob, () => file.sync())
      } finally {
        await file.close()
      }
      await failAsFileError(blob, () => rename(temporary, blob))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

/** Removes what lies at a path; returns the bytes of its files, without those that its links lead to. */
async function removeTree(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return 0
  let bytes = stats.isFile() ? stats.size : 0
  if (stats.isDirectory()) for (const name of await readdir(path)) bytes += await removeTree(join(path, name))
  await rm(path, { recursive: true, force: true })
  return bytes
}

/** The blobs that a snapshot's links lead to. */
async function linkedBlobs(snapshot: string): Promise<Set<string>> {
  const blobs = new Set<string>()
  for (const { path } of await listFolder(snapshot)) {
    const pointer = join(snapshot, ...path.split("/"))
    const target = await readlink(pointer).catch(() => undefined)
    if (target !== undefined && basename(dirname(target)) === "blobs")
      blobs.add(join(dirname(pointer), target))
  }
  return blobs
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}

/** Whether the blob is here whole and, where it is to be replaced, has been since `replacedSince`. */
async function isCurrent(blob: string, size: number, replacedSince: number | undefined): Promise<boolean> {
  const stats = await stat(blob).catch(() => undefined)
  if (!stats?.isFile() || stats.size !== size) return false
  return replacedSince === undefined || stats.mtimeMs >= replacedSince
}

async function clearAbandoned(blob: string): Promise<void> {
  const folder = dirname(blob)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(blob)}.`) || !name.endsWith(".incomplete")) continue
    const stats = await stat(join(folder, name)).catch(() => undefined)
    if (stats && Date.now() - stats.mtimeMs > abandonedAfterMs) await rm(join(folder, name), { force: true })
  }
}

/** Makes `pointer` lead to `blob`. */
async function link(blob: string, pointer: string): Promise<void> {
  const target = relative(dirname(pointer), blob)
  await mkdir(dirname(pointer), { recursive: true })
  const there = await lstat(pointer).catch(() => undefined)
  if (there?.isSymbolicLink() && (await readlink(pointer)) === target) return
  const temporary = `${pointer}.${randomBytes(4).toString("hex")}.tmp`
  try {
    // Windows lets only some users make symbolic links; a few file systems have no links at all.
    await symlink(target, temporary)
      .catch(() => hardLink(blob, temporary))
      .catch(() => copyFile(blob, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE))
    await rename(temporary, pointer)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function readSmallText(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await readFile(path, { maxBytes }))
  } catch {
    return undefined
  }
}

/** Does what only saves time later: a cache that can't be written can still be read. */
async function bestEffort(work: () => Promise<void>): Promise<void> {
  await work().catch(() => {})
}
