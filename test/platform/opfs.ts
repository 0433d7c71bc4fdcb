// A stand-in for the origin private file system, as far as src/platform/browser/files.ts uses it.

class FakeFile {
  readonly kind = "file"
  name: string
  #parent: FakeDirectory
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array()

  constructor(name: string, parent: FakeDirectory) {
    this.name = name
    this.#parent = parent
  }

  async getFile(): Promise<File> {
    return new File([this.bytes], this.name)
  }

  async createWritable() {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    return {
      write: async (piece: Uint8Array<ArrayBuffer>) => {
        if (piece.length > this.#parent.quota) throw new DOMException("No room.", "QuotaExceededError")
        pieces.push(new Uint8Array(piece))
      },
      close: async () => {
        this.bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
      },
      abort: async () => {},
    }
  }

  async move(...place: [name: string] | [folder: FakeDirectory, name: string]): Promise<void> {
    const [folder, name] = place.length === 1 ? [this.#parent, place[0]] : place
    this.#parent.children.delete(this.name)
    folder.children.set(name, this)
    this.#parent = folder
    this.name = name
  }
}

class FakeDirectory {
  readonly kind = "directory"
  readonly name: string
  readonly children: Map<string, FakeFile | FakeDirectory> = new Map()
  readonly quota: number

  constructor(name: string, quota: number) {
    this.name = name
    this.quota = quota
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeDirectory> {
    const child = this.children.get(name) ?? (create ? new FakeDirectory(name, this.quota) : undefined)
    if (!(child instanceof FakeDirectory)) throw missingOrMismatch(child)
    this.children.set(name, child)
    return child
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    const child = this.children.get(name) ?? (create ? new FakeFile(name, this) : undefined)
    if (!(child instanceof FakeFile)) throw missingOrMismatch(child)
    this.children.set(name, child)
    return child
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.children.delete(name)) throw missingOrMismatch(undefined)
  }

  async *values(): AsyncGenerator<FakeFile | FakeDirectory> {
    yield* this.children.values()
  }
}

function missingOrMismatch(child: unknown): DOMException {
  return child === undefined
    ? new DOMException("It is not there.", "NotFoundError")
    : new DOMException("It is of the other kind.", "TypeMismatchError")
}

/** A `navigator` with an empty file system, in which one write may have at most `quota` bytes. */
export function fakeNavigator(quota: number = Number.POSITIVE_INFINITY): {
  readonly storage: { getDirectory(): Promise<unknown> }
} {
  const root = new FakeDirectory("", quota)
  return { storage: { getDirectory: async () => root } }
}
