import { gatherStrided, rowMajorStrides } from "../../arrays/strided.ts"
import { elementCount, type Tensor } from "../../tensor.ts"
import { WeightsError } from "../../weights/errors.ts"
import { FlaxArray, type FlaxFile, type FlaxTree, type FlaxValue } from "../../weights/flax-file.ts"
import { matchTensors, requireSame } from "../../weights/match-tensors.ts"
import { weightsFile } from "../../weights/stored-tensors.ts"
import type { TensorInfo, WeightsFile } from "../../weights/weights-file.ts"
import type { CheckpointTensor } from "../score-network.ts"
import type { ScoreCheckpoint, ScoreCheckpointOptions } from "./open-checkpoint.ts"
import { configHint, isFrequencies } from "./other-config.ts"

/** The network in a checkpoint of score_sde's JAX version: `params_ema`, and as last trained `optimizer.target`. */
export async function flaxCheckpoint(
  file: FlaxFile,
  tensors: readonly CheckpointTensor[],
  { rawWeights = false, signal }: ScoreCheckpointOptions,
): Promise<ScoreCheckpoint> {
  const path = rawWeights ? ["optimizer", "target"] : ["params_ema"]
  const tree = path.reduce<FlaxValue | undefined>(
    (value, name) => (value instanceof Map ? value.get(name) : undefined),
    file.root,
  )
  if (!(tree instanceof Map)) {
    const keys = [...file.root.keys()].slice(0, 8).join(", ")
    throw new WeightsError(
      "TENSOR_MISSING",
      `${file.name} has no ${path.join(".")}; it holds ${keys || "nothing"}.`,
      { hint: "Is it a training checkpoint of score_sde?" },
    )
  }
  return {
    weights: flaxWeights(file, tree, tensors),
    framework: "flax",
    averaged: !rawWeights,
    step: await readNumber(file, file.root.get("step"), signal),
  }
}

/** A network's tensor, and where a Flax checkpoint has it. */
export type FlaxParameter = Pick<CheckpointTensor, "name" | "shape" | "flax">

/**
 * The parameters in a tree of a Flax checkpoint, under their PyTorch names and in PyTorch's layout.
 *
 * @throws WeightsError `TENSOR_MISSING`, `TENSOR_MISSHAPEN`, `TENSOR_UNEXPECTED`, naming the first tensors that differ.
 */
export function flaxWeights(
  file: FlaxFile,
  tree: FlaxTree,
  parameters: readonly FlaxParameter[],
): WeightsFile {
  const arrays = new Map(leaves(tree, ""))
  const expected = new Map(parameters.map(({ flax }) => [flax.path, flax.shape]))
  const found = new Map<string, TensorInfo>()
  for (const [path, { dtype = "uint8", shape }] of arrays) {
    const wanted = expected.get(path)
    if (wanted === undefined && isFrequencies(path, shape)) continue
    // Flax writes [1, 1, 1, C] for a norm's vectors until 0.3, and [C] since.
    const isVector = wanted?.slice(0, -1).every(size => size === 1) && shape.join() === String(wanted.at(-1))
    found.set(path, { name: path, dtype, shape: isVector ? wanted! : shape })
  }
  requireSame(file.name, matchTensors(expected, { tensors: found }), configHint)
  return weightsFile({
    name: file.name,
    format: "flax",
    metadata: {},
    tensors: parameters.map(({ name, shape, flax }) => {
      const array = arrays.get(flax.path)!
      const load = async (signal: AbortSignal | undefined): Promise<Tensor> => {
        const { dtype, data } = await file.readArray(array, signal)
        if (flax.order === undefined) return { dtype, shape, data }
        const strides = rowMajorStrides(flax.shape)
        const moved = flax.order.map(axis => strides[axis]!)
        return { dtype, shape, data: gatherStrided(data, shape, moved) }
      }
      return { name, dtype: found.get(flax.path)!.dtype, shape, load }
    }),
    close: () => file.close(),
  })
}

function* leaves(tree: FlaxTree, prefix: string): Generator<[path: string, array: FlaxArray]> {
  for (const [name, value] of tree) {
    if (value instanceof FlaxArray) yield [prefix + name, value]
    else if (value instanceof Map) yield* leaves(value, `${prefix}${name}/`)
  }
}

/** A number, which training writes as an array without axes. */
async function readNumber(
  file: FlaxFile,
  value: FlaxValue | undefined,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  if (typeof value === "number") return value
  if (!(value instanceof FlaxArray) || value.dtype === undefined || elementCount(value.shape) !== 1) {
    return undefined
  }
  return Number((await file.readArray(value, signal)).data[0])
}
