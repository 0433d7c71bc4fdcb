import { elementsOf } from "../arrays/elements.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import type { Tensor } from "../tensor.ts"
import { readSafetensorsHeader, type SafetensorsEntry } from "./safetensors-header.ts"
import { weightsFile } from "./stored-tensors.ts"
import type { WeightsFile } from "./weights-file.ts"

/**
 * Opens a safetensors file; the header is read and checked, tensors are read by range.
 *
 * @throws WeightsError `TRUNCATED`, `TOO_LARGE`, `MALFORMED`, `UNSUPPORTED`.
 */
export async function openSafetensors(source: ByteSource, signal?: AbortSignal): Promise<WeightsFile> {
  const { metadata, entries } = await readSafetensorsHeader(source, signal)

  async function load(entry: SafetensorsEntry, signal: AbortSignal | undefined): Promise<Tensor> {
    const bytes = await source.read(entry.begin, entry.end - entry.begin, signal)
    return { dtype: entry.dtype, shape: entry.shape, data: elementsOf(entry.dtype, bytes) }
  }

  return weightsFile({
    name: source.name,
    format: "safetensors",
    metadata,
    tensors: entries.map(entry => ({
      name: entry.name,
      dtype: entry.dtype,
      shape: entry.shape,
      load: signal => load(entry, signal),
    })),
    close: () => source.close(),
  })
}
