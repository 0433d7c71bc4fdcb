import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import type { LocalFolder } from "../platform/local-folder.ts"
import { derivedFile } from "./derived-file.ts"
import { HubError } from "./errors.ts"
import { checkPath } from "./names.ts"
import { noSuchFile } from "./no-such-file.ts"
import { readUtf8 } from "./read-text.ts"
import { type DerivedFile, filesBelow, type Repo, type RepoFile } from "./repo.ts"
import type { HubSettings } from "./settings.ts"

/** A model in a folder. */
export class LocalRepo implements Repo {
  readonly kind = "local"
  readonly id: string
  readonly commit = undefined
  readonly offline = undefined
  readonly files: readonly RepoFile[]
  readonly known: readonly RepoFile[]
  readonly hasPaths: boolean
  readonly #folder: LocalFolder
  readonly #prefix: string
  readonly #signal: AbortSignal | undefined
  readonly #paths: ReadonlySet<string>

  constructor(id: string, folder: LocalFolder, { prefix, signal }: Pick<HubSettings, "prefix" | "signal">) {
    this.id = id
    this.#folder = folder
    this.#prefix = prefix
    this.#signal = signal
    this.hasPaths = folder.localPath("") !== undefined
    this.files = filesBelow(prefix, folder.files)
    this.known = this.files
    this.#paths = new Set(this.files.map(file => file.path))
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  async localPath(path: string): Promise<string> {
    const local = this.#folder.localPath(this.#place(path))
    if (local === undefined) {
      throw new HubError(
        "NO_LOCAL_PATH",
        `${path} is in a folder that this page was handed, without its path.`,
      )
    }
    return local
  }

  async open(path: string): Promise<ByteSource> {
    return await this.#folder.open(this.#place(path))
  }

  async readText(path: string, maxBytes: number): Promise<string> {
    return await readUtf8(await this.open(path), maxBytes, this.#signal)
  }

  async download(paths: readonly string[]): Promise<void> {
    throwIfAborted(this.#signal)
    for (const path of paths) this.#place(path)
  }

  derivedFile(name: string): DerivedFile {
    return derivedFile(name, plain => this.#folder.derivedFile(plain))
  }

  async reopened(signal?: AbortSignal): Promise<LocalRepo> {
    const folder = (await this.#folder.reopened()) ?? this.#folder
    return new LocalRepo(this.id, folder, { prefix: this.#prefix, signal })
  }

  #place(path: string): string {
    checkPath(path)
    if (!this.has(path)) throw noSuchFile(path, this)
    return this.#prefix + path
  }
}
