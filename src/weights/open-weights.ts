import { throwIfAborted } from "../errors.ts"
import type { ByteSource } from "../platform/byte-source.ts"
import { WeightsError } from "./errors.ts"
import { openSafetensors } from "./safetensors-file.ts"
import { parseShardIndex } from "./shard-index.ts"
import { type StoredTensor, weightsFile } from "./stored-tensors.ts"
import type { WeightsFile } from "./weights-file.ts"

const maxIndexBytes = 16 * 2 ** 20
const lfsPointerStart = "version https://git-lfs"

export interface OpenWeightsOptions {
  /** Opens a file beside the one that is given; needed when that one is the index of a sharded checkpoint. */
  readonly openShard?: ((fileName: string) => Promise<ByteSource>) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens weights of any form, told by their first bytes: safetensors, the files of `torch.save` (zip and legacy form),
 * and the `….index.json` of a sharded checkpoint. Only headers are read now. The result owns `source`; when opening
 * fails, `source` is closed.
 *
 * @throws WeightsError `FORMAT_UNKNOWN`, `LFS_POINTER`, and what the formats throw, see {@link WeightsError}.
 */
export async function openWeights(
  source: ByteSource,
  options: OpenWeightsOptions = {},
): Promise<WeightsFile> {
  try {
    return await openByFirstBytes(source, options)
  } catch (error) {
    await source.close()
    throw error
  }
}

async function openByFirstBytes(source: ByteSource, options: OpenWeightsOptions): Promise<WeightsFile> {
  const { signal } = options
  throwIfAborted(signal)
  const start = await source.read(0, Math.min(source.size, lfsPointerStart.length), signal)
  const text = String.fromCharCode(...start)
  if (text === lfsPointerStart) {
    const message = `${source.name} is a pointer of git-lfs, not the weights themselves.`
    throw new WeightsError("LFS_POINTER", message, {
      hint: "Install git-lfs and run `git lfs pull` where you cloned it, or load the model by its Hub id.",
    })
  }
  if (start.length < 9) {
    throw new WeightsError("TRUNCATED", `${source.name} has only ${source.size} bytes.`, {
      hint: "Download it again.",
    })
  }
  // JSON taken for a header's length would be beyond any bound, so the two are told apart by the high bytes.
  if (text.startsWith("{") && start[7] !== 0) return await openShards(source, options)
  if (text[8] === "{") return await openSafetensors(source, signal)
  if (text.startsWith("PK\x03\x04") || text.startsWith("\x80")) {
    // Fetched when needed: half of this layer's code, and safetensors are more common.
    const { openTorchFile, torchWeights } = await import("./torch-file.ts")
    return torchWeights(await openTorchFile(source, signal))
  }
  const message = `${source.name} is neither safetensors nor a file of torch.save.`
  throw new WeightsError("FORMAT_UNKNOWN", message, {
    hint: "Files of other frameworks have to be converted first.",
  })
}

async function openShards(
  index: ByteSource,
  { openShard, signal }: OpenWeightsOptions,
): Promise<WeightsFile> {
  if (index.size > maxIndexBytes) {
    throw new WeightsError(
      "TOO_LARGE",
      `The index ${index.name} has ${index.size} bytes; at most ${maxIndexBytes} are read.`,
    )
  }
  const { shards, weightMap } = parseShardIndex(
    index.name,
    new TextDecoder().decode(await index.read(0, index.size, signal)),
  )
  if (!openShard) {
    throw new WeightsError(
      "UNSUPPORTED",
      `${index.name} is the index of a sharded checkpoint, which was not expected here.`,
    )
  }
  const files = new Map<string, WeightsFile>()
  const close = async () => {
    await Promise.all([index.close(), ...Array.from(files.values(), file => file.close())])
  }
  try {
    for (const shard of shards) files.set(shard, await openWeights(await openShard(shard), { signal }))
    const tensors: StoredTensor[] = []
    for (const [name, shard] of weightMap) {
      const file = files.get(shard)!
      const info = file.tensors.get(name)
      if (!info) {
        const message = `${index.name} says that ${shard} holds "${name}", but it does not.`
        throw new WeightsError("MALFORMED", message)
      }
      tensors.push({ ...info, load: signal => file.read(name, signal) })
    }
    const [first] = files.values()
    if (!first) throw new WeightsError("MALFORMED", `${index.name} names no tensors.`)
    return weightsFile({ name: index.name, format: first.format, metadata: first.metadata, tensors, close })
  } catch (error) {
    await close()
    throw error
  }
}
