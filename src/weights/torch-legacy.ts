import type { ByteSource } from "../platform/byte-source.ts"
import { bytesPerElement } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import type { TorchContainer } from "./torch-file.ts"
import { torchNames } from "./torch-names.ts"
import type { TorchStorage } from "./torch-tensor.ts"
import { maxPickleBytes, type PickleNames, type PickleValue, unpickle } from "./unpickler.ts"

const magicNumber = 0x1950a86a20f9469cfc6cn
const protocolVersion = 1001
const firstWindowBytes = 64 * 2 ** 10
/** Each storage starts with its number of elements. */
const countBytes = 8

const noNames: PickleNames = { find: () => undefined, persistent: () => null }

/**
 * The form before PyTorch 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys,
 * then the storages one after the other.
 *
 * @throws WeightsError see `openTorchFile`; `FORMAT_UNKNOWN` without the magic number.
 */
export async function openLegacyContainer(source: ByteSource, signal?: AbortSignal): Promise<TorchContainer> {
  let position = 0
  async function next(names: PickleNames): Promise<PickleValue> {
    const { value, end } = await readPickle(source, position, names, signal)
    position += end
    return value
  }

  if (!(await startsAsPickle(source, signal)) || (await next(noNames)) !== magicNumber) {
    throw new WeightsError("FORMAT_UNKNOWN", `${source.name} is no file of torch.save.`)
  }
  const version = await next(noNames)
  if (version !== protocolVersion) {
    throw new WeightsError(
      "UNSUPPORTED",
      `${source.name} has the format version ${String(version)} of torch.save.`,
    )
  }
  const machine = await next(noNames)
  const bigEndian = machine instanceof Map && machine.get("little_endian") === false
  const storages = new Map<string, TorchStorage>()
  const root = await next(torchNames(storages))
  const keys = await next(noNames)
  const places = await findStorages(source, keys, storages, position, bigEndian, signal)
  return {
    root,
    bigEndian,
    async readStorage(storage, offset, length, signal) {
      return await source.read(places.get(storage.key)! + offset, length, signal)
    },
  }
}

/** Pickles of protocol 2 and later start with their protocol. */
async function startsAsPickle(source: ByteSource, signal: AbortSignal | undefined): Promise<boolean> {
  return source.size > 2 && (await source.read(0, 1, signal))[0] === 0x80
}

/** Where the data of each storage starts. */
async function findStorages(
  source: ByteSource,
  keys: PickleValue,
  storages: ReadonlyMap<string, TorchStorage>,
  start: number,
  bigEndian: boolean,
  signal: AbortSignal | undefined,
): Promise<Map<string, number>> {
  const places = new Map<string, number>()
  let position = start
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = typeof key === "string" ? storages.get(key) : undefined
    if (!storage)
      throw new WeightsError("MALFORMED", `${source.name} lists a storage that nothing refers to.`)
    const end = position + countBytes + storage.size * bytesPerElement[storage.dtype]
    if (end > source.size) {
      throw new WeightsError(
        "TRUNCATED",
        `${source.name} is cut off: the storage ${storage.key} ends at byte ${end}, the file at ${source.size}.`,
        { hint: "Download it again." },
      )
    }
    const count = new DataView((await source.read(position, countBytes, signal)).buffer)
    if (count.getBigInt64(0, !bigEndian) !== BigInt(storage.size)) {
      throw new WeightsError(
        "MALFORMED",
        `The storage ${storage.key} of ${source.name} has another size than its tensors expect.`,
      )
    }
    places.set(storage.key, position + countBytes)
    position = end
  }
  for (const key of storages.keys()) {
    if (!places.has(key))
      throw new WeightsError("MALFORMED", `The storage ${key} of ${source.name} is missing.`)
  }
  return places
}

/** Reads one pickle, whose length only reading it tells: from a window that grows until it is enough. */
async function readPickle(
  source: ByteSource,
  offset: number,
  names: PickleNames,
  signal: AbortSignal | undefined,
): Promise<{ value: PickleValue; end: number }> {
  const available = source.size - offset
  for (let window = firstWindowBytes; ; window *= 8) {
    const length = Math.min(window, available, maxPickleBytes)
    const bytes = await source.read(offset, length, signal)
    try {
      return unpickle(source.name, bytes, names)
    } catch (error) {
      const isCut = error instanceof WeightsError && error.code === "TRUNCATED"
      if (!isCut || length === available) throw error
      if (length === maxPickleBytes) {
        throw new WeightsError("TOO_LARGE", `The pickle in ${source.name} has over ${maxPickleBytes} bytes.`)
      }
    }
  }
}
