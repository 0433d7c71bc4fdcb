import { createHash } from "node:crypto"

/** Files by path; text is UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** A model repository to serve. `files` is its `main`. */
export interface RepoSpec {
  readonly files: Files
  /** `private` shows itself only to the server's token; of a `gated` one, everybody sees the list of files. */
  readonly access?: "public" | "private" | "gated"
}

/** A file as it is stored. */
export interface StoredBlob {
  readonly content: Buffer
  /** Git's id of the file, or of its pointer. */
  readonly gitId: string
  /** SHA-256, of LFS files. */
  readonly sha256: string | undefined
}

/** A repository with its history. */
export class ServedRepo {
  readonly id: string
  readonly access: NonNullable<RepoSpec["access"]>
  readonly #commits = new Map<string, ReadonlyMap<string, StoredBlob>>()
  readonly #branches = new Map<string, string>()

  constructor(id: string, spec: RepoSpec) {
    this.id = id
    this.access = spec.access ?? "public"
    this.commit("main", spec.files)
  }

  /** Makes a commit of all `files` and moves `branch` to it; returns its id. */
  commit(branch: string, files: Files): string {
    const blobs = new Map(Object.entries(files).map(([path, content]) => [path, storeBlob(path, content)]))
    const text = JSON.stringify([this.id, branch, [...blobs].map(([path, blob]) => [path, blob.gitId])])
    const commit = createHash("sha1").update(text).digest("hex")
    this.#commits.set(commit, blobs)
    this.#branches.set(branch, commit)
    return commit
  }

  /** The commit that a branch or a commit stands for. */
  resolve(revision: string): string | undefined {
    return this.#commits.has(revision) ? revision : this.#branches.get(revision)
  }

  files(commit: string): ReadonlyMap<string, StoredBlob> {
    return this.#commits.get(commit)!
  }
}

/** The endings that the Hub's default `.gitattributes` sends to LFS, as far as models use them. */
const lfsEnding = /\.(?:bin|safetensors|onnx|onnx_data|pt|pth|msgpack|npy|npz)$/

function storeBlob(path: string, text: string | Uint8Array): StoredBlob {
  const content = Buffer.from(text)
  if (!lfsEnding.test(path)) return { content, gitId: gitBlobId(content), sha256: undefined }
  const sha256 = createHash("sha256").update(content).digest("hex")
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${content.length}\n`
  return { content, gitId: gitBlobId(Buffer.from(pointer)), sha256 }
}

function gitBlobId(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex")
}
