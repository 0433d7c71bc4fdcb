import { elementsOf, swapByteOrder } from "../arrays/elements.ts"
import { gatherStrided, stridedExtent } from "../arrays/strided.ts"
import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { bytesPerElement, elementCount, type Tensor } from "../tensor.ts"
import { WeightsError } from "./errors.ts"
import { weightsFile } from "./stored-tensors.ts"
import { openLegacyContainer } from "./torch-legacy.ts"
import { type TorchStorage, TorchTensor } from "./torch-tensor.ts"
import { openZipContainer } from "./torch-zip.ts"
import type { PickleValue } from "./unpickler.ts"
import type { WeightsFile } from "./weights-file.ts"

/** How `torch.save` packs an object and the storages that it refers to. */
export interface TorchContainer {
  readonly root: PickleValue
  readonly bigEndian: boolean
  /** Reads bytes of a storage. */
  readStorage(
    storage: TorchStorage,
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array<ArrayBuffer>>
}

/** An open file of `torch.save`: `.bin`, `.pt`, `.pth`. */
export interface TorchFile {
  readonly name: string
  /** What was saved, with dictionaries as maps, tuples as arrays and tensors as {@link TorchTensor}. */
  readonly root: PickleValue
  /** Reads one tensor, row-major; only its part of the file is read. */
  readTensor(tensor: TorchTensor, signal?: AbortSignal): Promise<Tensor>
  close(): Promise<void>
}

/**
 * Opens a file of `torch.save`, in the zip form (PyTorch ≥ 1.6) or the legacy form. The pickle in it is read as data;
 * one with a name that no plain checkpoint needs is refused.
 *
 * @throws WeightsError `UNSAFE_PICKLE`, `UNSAFE_PATH`, `TRUNCATED`, `MALFORMED`, `TOO_LARGE`, `UNSUPPORTED`.
 */
export async function openTorchFile(source: ByteSource, signal?: AbortSignal): Promise<TorchFile> {
  const container = (await isZip(source, signal))
    ? await openZipContainer(source, signal)
    : await openLegacyContainer(source, signal)
  return {
    name: source.name,
    root: container.root,
    readTensor: (tensor, signal) => readTensor(container, tensor, signal),
    close: () => source.close(),
  }
}

/** Whether the source starts as a zip file does. */
async function isZip(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < 4) return false
  const [p, k, three, four] = await source.read(0, 4, signal)
  return p === 0x50 && k === 0x4b && three === 3 && four === 4
}

async function readTensor(
  container: TorchContainer,
  tensor: TorchTensor,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  throwIfAborted(signal)
  const { dtype, shape, strides, storage, isDense } = tensor
  const size = bytesPerElement[dtype]
  const extent = isDense ? elementCount(shape) : stridedExtent(shape, strides)
  const bytes = await container.readStorage(storage, tensor.offset * size, extent * size, signal)
  if (container.bigEndian) swapByteOrder(bytes, size)
  const elements = elementsOf(dtype, bytes)
  return { dtype, shape, data: isDense ? elements : gatherStrided(elements, shape, strides) }
}

/**
 * The tensors of a dictionary in a PyTorch file, by name; other values of it are left out.
 *
 * @param dictionary A state dict in the file; by default what was saved.
 * @throws WeightsError `UNSUPPORTED` when there is no tensor in it.
 */
export function torchWeights(file: TorchFile, dictionary: PickleValue = file.root): WeightsFile {
  const tensors: { name: string; tensor: TorchTensor }[] = []
  if (dictionary instanceof Map) {
    for (const [name, tensor] of dictionary) {
      if (typeof name === "string" && tensor instanceof TorchTensor) tensors.push({ name, tensor })
    }
  }
  if (tensors.length === 0) {
    const message = `${file.name} is not a state dict: it holds ${describe(dictionary)}.`
    throw new WeightsError("UNSUPPORTED", message, {
      hint: "If it is a training checkpoint, convert it first.",
    })
  }
  return weightsFile({
    name: file.name,
    format: "torch",
    metadata: {},
    tensors: tensors.map(({ name, tensor }) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      load: signal => file.readTensor(tensor, signal),
    })),
    close: () => file.close(),
  })
}

function describe(value: PickleValue): string {
  if (!(value instanceof Map)) return "no dictionary"
  const keys = [...value.keys()].slice(0, 8).map(String)
  return keys.length === 0 ? "an empty dictionary" : `a dictionary of ${keys.join(", ")}`
}
