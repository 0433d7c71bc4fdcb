import { elementCount } from "../tensor.ts"
import { type StoredTensor, weightsFile } from "./stored-tensors.ts"
import type { WeightsFile } from "./weights-file.ts"

/** Names of attention layers before Diffusers 0.12, and their names since. */
const attentionNames: ReadonlyMap<string, string> = new Map([
  ["query", "to_q"],
  ["key", "to_k"],
  ["value", "to_v"],
  ["proj_attn", "to_out.0"],
])

const oldAttention = /^(.*\battentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)$/

/**
 * The same weights under today's names: attention layers from before Diffusers 0.12 (`query` → `to_q`, …, and their
 * 1×1 convolutions as matrices), and `time_proj.W`, a second copy of `time_proj.weight` in old files, is taken for it
 * where that one is missing and left out where it is not. A tensor that has today's name already is never replaced.
 *
 * The result reads from `file`; close either.
 */
export function migrateKeys(file: WeightsFile): WeightsFile {
  const tensors: StoredTensor[] = []
  for (const info of file.tensors.values()) {
    const name = newName(info.name)
    const renamed = name !== info.name
    if (renamed && file.tensors.has(name)) {
      if (name === "time_proj.weight") continue
      tensors.push({ ...info, load: signal => file.read(info.name, signal) })
      continue
    }
    const shape = renamed ? withoutKernel(name, info.shape) : info.shape
    tensors.push({
      name,
      dtype: info.dtype,
      shape,
      load: async signal => ({ ...(await file.read(info.name, signal)), shape }),
    })
  }
  const { name, format, metadata } = file
  return weightsFile({ name, format, metadata, tensors, close: () => file.close() })
}

function newName(name: string): string {
  if (name === "time_proj.W") return "time_proj.weight"
  const match = oldAttention.exec(name)
  if (!match) return name
  const [, module, layer, parameter] = match
  return `${module}.${attentionNames.get(layer!)}.${parameter}`
}

/** The shape of a 1×1 convolution's weight as that of the matrix it is. */
function withoutKernel(name: string, shape: readonly number[]): readonly number[] {
  const [rows, columns] = shape
  const isPointwise = name.endsWith(".weight") && shape.length > 2 && elementCount(shape) === rows! * columns!
  return isPointwise ? [rows!, columns!] : shape
}
