import type { ByteSource } from "../platform/byte-source.ts"
import { WeightsError } from "./errors.ts"
import type { TorchContainer } from "./torch-file.ts"
import { torchNames } from "./torch-names.ts"
import type { TorchStorage } from "./torch-tensor.ts"
import { maxPickleBytes, unpickle } from "./unpickler.ts"
import { openZip, type ZipArchive } from "./zip-archive.ts"

const pickleEntry = /^(?:[^/]+\/)?data\.pkl$/

/**
 * The zip form: one folder with `data.pkl`, the storages as `data/0`, `data/1`, …, and `byteorder`.
 *
 * @throws WeightsError see `openTorchFile`.
 */
export async function openZipContainer(source: ByteSource, signal?: AbortSignal): Promise<TorchContainer> {
  const zip = await openZip(source, signal)
  const [pickle, second] = [...zip.sizes.keys()].filter(name => pickleEntry.test(name))
  if (pickle === undefined || second !== undefined) {
    throw new WeightsError("FORMAT_UNKNOWN", `${source.name} is a zip file, but not one of torch.save.`)
  }
  const folder = pickle.slice(0, -"data.pkl".length)
  const storages = new Map<string, TorchStorage>()
  const bytes = await readEntry(source, zip, pickle, maxPickleBytes, signal)
  const { value: root } = unpickle(source.name, bytes, torchNames(storages))
  for (const storage of storages.values()) {
    const size = zip.sizes.get(`${folder}data/${storage.key}`)
    if (size !== storage.byteLength) {
      const found = size === undefined ? "is missing" : `has ${size} bytes instead of ${storage.byteLength}`
      throw new WeightsError("MALFORMED", `The storage ${storage.key} of ${source.name} ${found}.`)
    }
  }
  return {
    root,
    bigEndian: await isBigEndian(source, zip, `${folder}byteorder`, signal),
    readStorage: (storage, offset, length, signal) =>
      zip.read(`${folder}data/${storage.key}`, offset, length, signal),
  }
}

async function readEntry(
  source: ByteSource,
  zip: ZipArchive,
  name: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = zip.sizes.get(name) ?? 0
  if (size > maxBytes) {
    throw new WeightsError(
      "TOO_LARGE",
      `The entry ${name} of ${source.name} has ${size} bytes; at most ${maxBytes} are read.`,
    )
  }
  return await zip.read(name, 0, size, signal)
}

/** Files before PyTorch 2.1 do not say; they were written by little-endian machines. */
async function isBigEndian(
  source: ByteSource,
  zip: ZipArchive,
  name: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!zip.sizes.has(name)) return false
  const order = new TextDecoder().decode(await readEntry(source, zip, name, 16, signal))
  if (order === "little") return false
  if (order === "big") return true
  throw new WeightsError("MALFORMED", `${source.name} has the byte order "${order}".`)
}
