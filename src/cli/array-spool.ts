import { randomUUID } from "node:crypto"
import { type FileHandle, open, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Zip, ZipPassThrough } from "fflate"
import { makeDirectory, writeFileAtomic } from "#platform/files"
import { writeNpy } from "../arrays/npy.ts"
import { InputError } from "../errors.ts"
import { failAsFileError } from "../platform/node/file-failure.ts"
import { elementCount, type Tensor } from "../tensor.ts"

const pieceBytes = 2 ** 20

/**
 * A `.npz` file with one float32 array that grows row by row. The rows wait in a file beside it, since only the end
 * tells how many they are, and since they need not fit into memory.
 */
export class ArraySpool implements AsyncDisposable {
  readonly #path: string
  readonly #name: string
  readonly #temporary: string
  #handle: FileHandle | undefined
  #rows = 0
  #rowShape: readonly number[] = []

  constructor(path: string, name: string) {
    this.#path = path
    this.#name = name
    this.#temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  }

  /** How many rows there are. */
  get rows(): number {
    return this.#rows
  }

  /** Adds rows, [N, …]; they all have one shape. */
  async add({ shape, data }: Tensor<"float32">): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    if (!this.#handle) await makeDirectory(dirname(this.#path))
    await failAsFileError(this.#path, async () => {
      this.#handle ??= await open(this.#temporary, "wx+")
      await this.#handle.appendFile(bytes)
    })
    this.#rows += shape[0]!
    this.#rowShape = shape.slice(1)
  }

  /** Writes the file with the rows so far, of which there must be one. */
  async save(): Promise<void> {
    await writeFileAtomic(this.#path, this.#zip())
  }

  /** Removes what waited. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
    await rm(this.#temporary, { force: true })
  }

  async *#zip(): AsyncGenerator<Uint8Array> {
    const ready: Uint8Array[] = []
    const zip = new Zip((error, chunk) => {
      if (error) throw error
      ready.push(chunk)
    })
    const entry = new ZipPassThrough(`${this.#name}.npy`)
    // The earliest date that the format knows, as NumPy writes it.
    entry.mtime = new Date(1980, 0, 1)
    zip.add(entry)
    // A file without its data is the header, which depends on the shape alone.
    const shape = [this.#rows, ...this.#rowShape]
    entry.push(writeNpy({ dtype: "float32", shape, data: new Float32Array(0) }))
    for await (const piece of this.#pieces()) {
      entry.push(piece)
      yield* ready.splice(0)
    }
    entry.push(new Uint8Array(0), true)
    zip.end()
    yield* ready
  }

  async *#pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let position = 0; ; ) {
      const buffer = new Uint8Array(pieceBytes)
      const { bytesRead } = await this.#handle!.read(buffer, 0, pieceBytes, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
}

/** @throws InputError when an array is too large for a `.npz` file of the classic zip format. */
export function checkSpoolSize(shape: readonly number[], path: string): void {
  const bytes = elementCount(shape) * 4
  if (bytes < 2 ** 32 - 2 ** 16) return
  throw new InputError(
    "INVALID_ARGUMENT",
    `The pictures would take ${(bytes / 1e9).toFixed(1)} GB in ${path}; a .npz file holds at most 4.2 GB.`,
    { hint: "Leave out --out-npz, or make the pictures in several runs." },
  )
}
