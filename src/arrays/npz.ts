import type { Zippable } from "fflate"
import type { Tensor } from "../tensor.ts"
import { ArrayFileError } from "./errors.ts"
import { readNpy, writeNpy } from "./npy.ts"

/** No stream of the zip format inflates to more than this many times its size. */
const maxDeflateRatio = 1032

export interface ReadNpzOptions {
  /** Bytes that all arrays together may have, uncompressed. Default: 2 GiB. */
  readonly maxBytes?: number
}

/**
 * Reads the arrays of a `.npz` file by their names; entries that are not `.npy` files are left out.
 *
 * @param fileName What errors call the file.
 * @throws ArrayFileError `FORMAT_UNKNOWN` when it is no zip file, `TOO_LARGE`, and what {@link readNpy} throws.
 */
export async function readNpz(
  bytes: Uint8Array,
  fileName: string,
  { maxBytes = 2 ** 31 }: ReadNpzOptions = {},
): Promise<Map<string, Tensor>> {
  const { unzipSync } = await import("fflate")
  let total = 0
  let entries: Record<string, Uint8Array>
  try {
    entries = unzipSync(bytes, {
      filter({ name, size, originalSize }) {
        if (!name.endsWith(".npy")) return false
        total += originalSize
        if (total > maxBytes) {
          throw new ArrayFileError("TOO_LARGE", `The arrays of ${fileName} have over ${maxBytes} bytes.`)
        }
        if (originalSize > size * maxDeflateRatio) {
          throw new ArrayFileError("MALFORMED", `${name} in ${fileName} cannot have ${originalSize} bytes.`)
        }
        return true
      },
    })
  } catch (cause) {
    if (cause instanceof ArrayFileError) throw cause
    throw new ArrayFileError(
      "FORMAT_UNKNOWN",
      `${fileName} is not a sound .npz file: ${(cause as Error).message}.`,
      {
        cause,
      },
    )
  }
  return new Map(
    Object.entries(entries).map(([name, content]) => [
      name.slice(0, -".npy".length),
      readNpy(content, `${name} in ${fileName}`),
    ]),
  )
}

export interface WriteNpzOptions {
  /** Compress, as `numpy.savez_compressed` does. Default: false. */
  readonly compress?: boolean
}

/**
 * Writes arrays as a `.npz` file. The same arrays give the same bytes.
 *
 * @throws ArrayFileError `UNSUPPORTED`, see {@link writeNpy}.
 */
export async function writeNpz(
  arrays: ReadonlyMap<string, Tensor>,
  { compress = false }: WriteNpzOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { zipSync } = await import("fflate")
  const entries: Zippable = {}
  for (const [name, tensor] of arrays) entries[`${name}.npy`] = writeNpy(tensor)
  // The earliest date that the format knows, as NumPy writes it.
  return zipSync(entries, { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) })
}
